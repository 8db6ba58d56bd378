package stat

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// ReadCounters reads a page in Prometheus' text format and returns, for each wanted
// series, its value. A wanted string without braces is a metric's name and sums all its
// series; one with braces ("name{label=\"v\"}") sums the series that carry each of the
// labels it lists. A name that is not on the page is zero: a server shows a labelled
// counter only once it has counted something.
func ReadCounters(r io.Reader, want []string) (map[string]float64, error) {
	sel := make([]selector, len(want))
	sums := make(map[string]float64, len(want))
	for i, w := range want {
		sel[i] = parseSelector(w)
		sums[w] = 0
	}
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		line := sc.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		name, labels, value, err := parseSeries(line)
		if err != nil {
			return nil, err
		}
		for i, s := range sel {
			if s.matches(name, labels) {
				sums[want[i]] += value
			}
		}
	}
	return sums, sc.Err()
}

type selector struct {
	name   string
	labels []string
}

func parseSelector(s string) selector {
	name, rest, ok := strings.Cut(s, "{")
	if !ok {
		return selector{name: s}
	}
	sel := selector{name: name}
	for _, l := range strings.Split(strings.TrimSuffix(rest, "}"), ",") {
		if l = strings.TrimSpace(l); l != "" {
			sel.labels = append(sel.labels, l)
		}
	}
	return sel
}

func (s selector) matches(name, labels string) bool {
	if name != s.name {
		return false
	}
	for _, l := range s.labels {
		if !strings.Contains(","+labels+",", ","+l+",") {
			return false
		}
	}
	return true
}

// parseSeries splits `name{labels} value [timestamp]`.
func parseSeries(line string) (name, labels string, value float64, err error) {
	rest := line
	if i := strings.IndexAny(line, "{ \t"); i >= 0 {
		name, rest = line[:i], line[i:]
	}
	if strings.HasPrefix(rest, "{") {
		// A label's value may hold a brace; the line's last one ends the labels.
		end := strings.LastIndexByte(rest, '}')
		if end < 0 {
			return "", "", 0, fmt.Errorf("metrics: unclosed labels in %q", line)
		}
		labels, rest = rest[1:end], rest[end+1:]
	}
	fields := strings.Fields(rest)
	if name == "" || len(fields) == 0 {
		return "", "", 0, fmt.Errorf("metrics: no value in %q", line)
	}
	value, err = strconv.ParseFloat(fields[0], 64)
	if err != nil {
		return "", "", 0, fmt.Errorf("metrics: bad value in %q", line)
	}
	return name, labels, value, nil
}
