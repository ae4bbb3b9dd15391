// SPDX-License-Identifier: GPL-2.0-only

package config

// nearest is the known option that a misspelt one probably means, or "".
func nearest(name string, known []Option) string {
	best, least := "", 3
	for _, o := range known {
		if d := distance(name, o.Name, least); d < least {
			best, least = o.Name, d
		}
	}
	return best
}

// distance is how many single letters have to be changed, added or dropped, or
// most when it is that or more.
func distance(a, b string, most int) int {
	if len(a)-len(b) >= most || len(b)-len(a) >= most {
		return most
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		left := row[0]
		row[0] = i + 1
		for j := range len(b) {
			above := row[j+1]
			cost := left
			if a[i] != b[j] {
				cost++
			}
			left = above
			row[j+1] = min(cost, above+1, row[j]+1)
		}
	}
	return min(row[len(b)], most)
}
