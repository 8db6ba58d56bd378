package stat

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestQuantilesAreWithinOnePercent(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var a, b Histogram
	var all []time.Duration
	for i := range 20000 {
		d := time.Duration(math.Exp(rng.Float64() * 22)) // 1 ns .. 3.6 s
		all = append(all, d)
		if i%2 == 0 {
			a.Add(d)
		} else {
			b.Add(d)
		}
	}
	a.Merge(&b)
	slices.Sort(all)
	if a.Count() != uint64(len(all)) {
		t.Fatalf("Count is %d, want %d", a.Count(), len(all))
	}
	if a.Max() != all[len(all)-1] {
		t.Errorf("Max is %v, want %v", a.Max(), all[len(all)-1])
	}
	for _, q := range []float64{0, 0.01, 0.5, 0.9, 0.99, 0.999} {
		want := all[int(q*float64(len(all)))]
		got := a.Quantile(q)
		if diff := math.Abs(float64(got - want)); diff > 0.01*float64(want)+1 {
			t.Errorf("Quantile(%v) is %v, want %v", q, got, want)
		}
	}
	if a.Quantile(1) != a.Max() {
		t.Errorf("Quantile(1) is %v, want the maximum %v", a.Quantile(1), a.Max())
	}
}

func TestEveryValueFallsInABucketNearIt(t *testing.T) {
	for shift := range 63 {
		for _, v := range []uint64{1 << shift, 1<<shift + 1, 1<<(shift+1) - 1} {
			i := bucket(v)
			if i < 0 || i >= buckets {
				t.Fatalf("bucket(%d) = %d is out of range", v, i)
			}
			if diff := math.Abs(float64(middle(i)) - float64(v)); diff > 0.008*float64(v) {
				t.Errorf("bucket(%d) stands for %d", v, middle(i))
			}
		}
	}
}

func TestEmptyAndNegative(t *testing.T) {
	var h Histogram
	if h.Quantile(0.5) != 0 || h.Max() != 0 {
		t.Error("an empty histogram has quantiles")
	}
	h.Add(-time.Second)
	if h.Count() != 1 || h.Quantile(0.5) != 0 {
		t.Error("a negative duration does not count as zero")
	}
}
