#!/bin/bash
# Installs what `make test` needs beside Go, on Debian: the S3 clients that the
# end-to-end tests drive, and a C compiler for the race detector. It does nothing
# if all is there. With root's rights, or sudo that asks for no password, it calls
# apt-get; without, it says what is missing.
set -euo pipefail
cd "$(dirname "$0")"

# FILE=PACKAGE: the package is missing if the file is. Debian's aws cli and boto3
# are wanted even where newer ones are on PATH: they stand for old clients.
wanted=(
	/usr/bin/aws=awscli
	/usr/lib/python3/dist-packages/boto3=python3-boto3
	/usr/bin/rclone=rclone
	/usr/bin/s3cmd=s3cmd
	/usr/bin/curl=curl
	/usr/bin/unshare=util-linux
	/usr/bin/gcc=gcc
	/usr/include/stdlib.h=libc6-dev
	/etc/ssl/certs/ca-certificates.crt=ca-certificates
)
missing=()
for w in "${wanted[@]}"; do
	[ -e "${w%%=*}" ] || missing+=("${w#*=}")
done
command -v node >/dev/null || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)

if [ ${#missing[@]} -gt 0 ]; then
	root=()
	if [ "$(id -u)" != 0 ]; then
		root=(sudo -n)
		if ! sudo -n true 2>/dev/null; then
			echo "deps: missing, and only root may install them: apt-get install ${missing[*]}" >&2
			exit 1
		fi
	fi
	echo "deps: installing ${missing[*]}"
	"${root[@]}" apt-get update -q
	"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
fi

# Debian 12's node will do; the SDK says nothing before it fails on an older one.
node=$(node -p 'process.versions.node')
if [ "${node%%.*}" -lt 18 ]; then
	echo "deps: $(command -v node) is version $node: the SDK for JavaScript needs 18 or later (Debian 12's nodejs)" >&2
	exit 1
fi

# npm notes what it has installed in node_modules/.package-lock.json.
if [ ! e2e/js/node_modules/.package-lock.json -nt e2e/js/package-lock.json ]; then
	(cd e2e/js && npm ci --no-audit --no-fund)
	touch e2e/js/node_modules/.package-lock.json
fi
