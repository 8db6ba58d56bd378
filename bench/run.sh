#!/bin/sh
# Fetches the peers, builds the floor, the comparison and (unless ATOLL is set) atoll,
# and runs the suite against all of them in one go. Arguments go to bench/compare.
#
#   BENCH_CACHE  where binaries are kept between runs (default: $TMPDIR/atoll-bench-bin)
#   PEERS        which peers to run (default: "versitygw"; also "rclone"; "" for none)
#   ATOLL        an atoll binary to use; "none" leaves Atoll out
#   VERSITYGW_VERSION, RCLONE_VERSION  default: latest, fetched once
set -eu

cd "$(dirname "$0")/.."
cache=${BENCH_CACHE:-${TMPDIR:-/tmp}/atoll-bench-bin}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)

# fetch NAME MODULE VERSION: builds a peer from its Go module, once.
fetch() {
	if [ ! -x "$cache/$1" ]; then
		echo "building $1 from $2@$3 (minutes, once)" >&2
		# From outside the module: the peers have dependencies of their own.
		(cd / && GOBIN="$cache" GOFLAGS=-mod=mod go install "$2@$3")
	fi
}

go build -o "$cache/bare" ./bench/bare
go build -o "$cache/compare" ./bench/compare
set -- --bare "$cache/bare" "$@"
for peer in ${PEERS-versitygw}; do
	case $peer in
	versitygw) fetch versitygw github.com/versity/versitygw/cmd/versitygw "${VERSITYGW_VERSION:-latest}" ;;
	rclone) fetch rclone github.com/rclone/rclone "${RCLONE_VERSION:-latest}" ;;
	*)
		echo "run.sh: unknown peer $peer" >&2
		exit 2
		;;
	esac
	set -- --"$peer" "$cache/$peer" "$@"
done
case ${ATOLL:-} in
none) ;;
"")
	go build -o "$cache/atoll" ./cmd/atoll
	set -- --atoll "$cache/atoll" "$@"
	;;
*) set -- --atoll "$ATOLL" "$@" ;;
esac
# compare stops the servers and removes their data, however it ends.
exec "$cache/compare" "$@"
