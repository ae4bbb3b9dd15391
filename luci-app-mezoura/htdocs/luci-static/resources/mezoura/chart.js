// SPDX-License-Identifier: GPL-2.0-only
'use strict';
'require baseclass';
'require mezoura.model as model';

/*
 * Stacked areas over time: downloads above the axis, uploads below it, both on one scale.
 * The areas are one SVG in a box of its own that slides left between two polls, so that scrolling costs no repainting.
 * Nothing here asks the browser for a size while drawing: the width comes from a ResizeObserver.
 */

const SPANS = [ 60, 120, 300 ];   /* seconds shown: more, as there is more to show */
const GAP = 10;                   /* seconds without a poll that interrupt the areas */
const NS = 'http://www.w3.org/2000/svg';

const round = (value) => Math.round(value * 10) / 10;

function svg(name, attributes, parent) {
	const node = document.createElementNS(NS, name);

	for (const key in attributes)
		node.setAttribute(key, attributes[key]);

	return parent ? parent.appendChild(node) : node;
}

/* The next round number: 1, 2 or 5 times a power of ten. */
function niceStep(value) {
	const power = Math.pow(10, Math.floor(Math.log10(value)));
	const lead = value / power;

	return (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10) * power;
}

/*
 * Path along xs[from..to] and ys, smoothed so that it never overshoots (Fritsch and Carlson's monotone cubic with harmonic means).
 * `back` runs from right to left, for the lower edge of an area.
 */
function edge(xs, ys, from, to, back) {
	const tangent = (i) => {
		if (i <= from || i >= to)
			return 0;

		const a = (ys[i] - ys[i - 1]) / (xs[i] - xs[i - 1]), b = (ys[i + 1] - ys[i]) / (xs[i + 1] - xs[i]);

		return (a * b <= 0) ? 0 : 2 * a * b / (a + b);
	};

	const step = back ? -1 : 1, end = back ? from : to;
	let i = back ? to : from, slope = tangent(i), path = round(xs[i]) + ' ' + round(ys[i]);

	for (; i != end; i += step) {
		const next = i + step, third = (xs[next] - xs[i]) / 3;

		if (ys[next] == ys[i]) {
			path += 'H' + round(xs[next]);
			slope = tangent(next);
			continue;
		}

		const nextSlope = tangent(next);

		path += 'C' + round(xs[i] + third) + ' ' + round(ys[i] + slope * third) + ' ' +
			round(xs[next] - third) + ' ' + round(ys[next] - nextSlope * third) + ' ' + round(xs[next]) + ' ' + round(ys[next]);
		slope = nextSlope;
	}

	return path;
}

/* Stretches of samples without an interruption, as pairs of first and last index. */
function stretches(times, since) {
	const found = [];
	let from = -1;

	for (let i = 0; i < times.length; i++) {
		if (times[i] <= since)
			continue;

		if (from < 0)
			from = i;
		else if (times[i] - times[i - 1] > GAP) {
			found.push([ from, i - 1 ]);
			from = i;
		}
	}

	if (from >= 0)
		found.push([ from, times.length - 1 ]);

	return found;
}

class Chart {
	/*
	 * options: label (what it shows, for those who hear it), name(layer), compact (no reading by keyboard and pointer).
	 */
	constructor(options) {
		this.options = options;
		this.width = 0;
		this.height = options.height || 260;
		this.bits = true;
		this.areas = new Map();
		this.reading = -1;
		this.span = SPANS[0];
		this.times = new Float64Array(model.SAMPLES);
		this.layers = [];
		this.still = window.matchMedia('(prefers-reduced-motion: reduce)');

		this.scale = svg('svg', { 'class': 'mz-scale', 'aria-hidden': 'true' });
		this.slide = svg('svg', { 'class': 'mz-slide', 'aria-hidden': 'true' });
		this.cursor = svg('line', { 'class': 'mz-cursor', 'y1': 0 });
		this.tip = E('div', { 'class': 'mz-tip', 'aria-hidden': 'true' });

		this.node = E('div', {
			'class': 'mz-chart',
			'style': 'height:' + this.height + 'px',
			'tabindex': '0',
			'role': 'slider',
			'aria-label': options.label,
			'aria-orientation': 'horizontal',
			'aria-valuemin': '0',
			'aria-valuemax': '300',
			'aria-valuenow': '300',
			'keydown': (ev) => this.key(ev),
			'blur': () => this.read(-1),
			'pointermove': (ev) => this.point(ev),
			'pointerleave': () => this.read(-1)
		}, [ this.slide, this.scale, this.tip ]);

		this.observer = new ResizeObserver(entries => {
			this.width = Math.round(entries[0].contentRect.width);
			this.draw();
		});
		this.observer.observe(this.node);
	}

	destroy() {
		this.observer.disconnect();
		this.sliding?.cancel();
	}

	/* New samples: layers are {key, slot, downs, ups}, undermost first, their arrays as long as times. */
	update(times, layers, bits) {
		const last = times.length - 1, passed = times[last] - times[last - 1];

		this.times = times;
		this.layers = layers;
		this.bits = bits;
		this.span = SPANS.find(span => times[last] - times.find(t => t) <= span) || SPANS[SPANS.length - 1];
		this.draw();

		if (this.reading > 0 && passed > 0 && !this.node.matches(':hover'))
			this.read(this.reading - 1);
		else if (this.reading >= 0)
			this.read(this.reading);

		this.sliding?.cancel();

		if (passed > 0 && passed <= GAP && this.width && !this.still.matches)
			this.sliding = this.slide.animate(
				[ { transform: 'translateX(' + (passed * this.width / this.span) + 'px)' }, { transform: 'none' } ],
				{ duration: passed * 1000, easing: 'linear' });
	}

	draw() {
		if (!this.width)
			return;

		const times = this.times, count = times.length, width = this.width;
		const now = times[count - 1], parts = stretches(times, now - this.span - GAP);

		/* where each layer's upper and lower edge run, in bytes per second */
		const base = { downs: new Float64Array(count), ups: new Float64Array(count) };
		const edges = this.layers.map(layer => {
			const out = {};

			for (const side of [ 'downs', 'ups' ]) {
				const from = base[side], to = new Float64Array(count);
				for (let i = 0; i < count; i++)
					to[i] = from[i] + layer[side][i];

				out[side] = [ from, to ];
				base[side] = to;
			}

			return out;
		});

		/* scale: both sides share it, the axis lies where both fit, each side has at least a sixth of the height */
		const plot = this.height - 18, least = this.bits ? 125 : 1000;
		let above = least, below = least;

		for (const [ from, to ] of parts)
			for (let i = from; i <= to; i++) {
				above = Math.max(above, base.downs[i]);
				below = Math.max(below, base.ups[i]);
			}

		const factor = this.bits ? 8 : 1;
		const room = Math.max(above + below, above * 1.2, below * 1.2);
		const step = niceStep(room * factor / 4.5) / factor;
		const top = Math.ceil(above * 1.02 / step) * step, bottom = Math.max(Math.ceil(below * 1.02 / step * 4) / 4 * step, top / 6);
		const perByte = (plot - 14) / (top + bottom), axis = 14 + top * perByte;

		const xs = new Float64Array(count);
		for (let i = 0; i < count; i++)
			xs[i] = width - (now - times[i]) * width / this.span;

		this.xs = xs;
		this.drawScale(step, top, bottom, perByte, axis, plot);
		this.drawTime(now, plot);

		const stale = new Set(this.areas.keys());
		const ys = new Float64Array(count), zs = new Float64Array(count);

		this.layers.forEach((layer, n) => {
			let area = this.areas.get(layer.key);

			if (!area) {
				area = svg('g');
				area.downs = svg('path', {}, area);
				area.ups = svg('path', {}, area);
				this.areas.set(layer.key, area);
			}

			stale.delete(layer.key);
			area.setAttribute('class', 'mz-area mz-slot-' + layer.slot + (this.lit != null && this.lit != layer.key ? ' mz-dim' : ''));
			this.slide.insertBefore(area, this.ticks);

			for (const side of [ 'downs', 'ups' ]) {
				const [ from, to ] = edges[n][side], sign = (side == 'downs') ? -perByte : perByte;
				let path = '';

				for (let i = 0; i < count; i++) {
					ys[i] = axis + sign * from[i];
					zs[i] = axis + sign * to[i];
				}

				for (const part of parts)
					if (part[1] > part[0])
						path += 'M' + edge(xs, zs, part[0], part[1]) + 'L' + edge(xs, ys, part[0], part[1], true) + 'Z';

				if (area[side].path != path)
					area[side].setAttribute('d', area[side].path = path);
			}
		});

		for (const key of stale) {
			this.areas.get(key).remove();
			this.areas.delete(key);
		}
	}

	drawScale(step, top, bottom, perByte, axis, plot) {
		const state = [ step, top, bottom, this.width, this.bits ].join();

		if (this.drawn == state)
			return;

		this.drawn = state;
		this.scale.replaceChildren();
		this.cursor.setAttribute('y2', plot);

		const line = (value, y) => {
			svg('line', { 'class': value ? 'mz-grid' : 'mz-axis', 'x1': 0, 'x2': this.width, 'y1': round(y), 'y2': round(y) }, this.scale);

			if (value)
				svg('text', { 'class': 'mz-tick', 'x': 4, 'y': round(y) - 3 }, this.scale).textContent = model.formatTick(value, this.bits);
		};

		for (let value = 0; value <= top + step / 100; value += step)
			line(value, axis - value * perByte);

		for (let value = step; value <= bottom + step / 100; value += step)
			line(value, axis + value * perByte);

		const side = (text, y) => {
			svg('text', { 'class': 'mz-side', 'x': this.width - 4, 'y': round(y), 'text-anchor': 'end' }, this.scale).textContent = text;
		};

		side('↓ ' + _('Download'), 26);
		side('↑ ' + _('Upload'), plot - 4);
	}

	/* Marks of the clock move with the areas: full minutes, as many as there is room for. */
	drawTime(now, plot) {
		if (!this.ticks)
			this.ticks = svg('g', { 'class': 'mz-time' }, this.slide);

		this.slide.appendChild(this.ticks);
		this.slide.appendChild(this.cursor);

		const every = (this.span > 120) ? (this.width < 480 ? 120 : 60) : this.span / 2;
		const wanted = [];

		for (let t = Math.floor(now / every) * every; t > now - this.span; t -= every)
			wanted.push(t);

		while (this.ticks.childNodes.length < wanted.length)
			svg('text', { 'class': 'mz-tick', 'text-anchor': 'middle' }, this.ticks);
		while (this.ticks.childNodes.length > wanted.length)
			this.ticks.lastChild.remove();

		wanted.forEach((t, i) => {
			const node = this.ticks.childNodes[i], x = this.width - (now - t) * this.width / this.span;

			node.setAttribute('x', round(x));
			node.setAttribute('y', plot + 14);

			if (node.time != t)
				node.textContent = model.formatMinute(node.time = t);
		});
	}

	/* Lets one layer stand out; null for none. */
	highlight(key) {
		this.lit = key;
		for (const [ name, area ] of this.areas)
			area.classList.toggle('mz-dim', key != null && name != key);
	}

	point(ev) {
		if (!this.xs)
			return;

		const x = ev.clientX - this.node.getBoundingClientRect().left;
		let best = -1;

		for (let i = 0; i < this.xs.length; i++)
			if (this.times[i] && (best < 0 || Math.abs(this.xs[i] - x) < Math.abs(this.xs[best] - x)))
				best = i;

		this.read(best);
	}

	key(ev) {
		const last = this.times.length - 1, at = (this.reading < 0) ? last : this.reading;
		const first = this.times.findIndex(t => t > this.times[last] - this.span);
		const wanted = {
			ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1,
			PageUp: at + 15, PageDown: at - 15, Home: first, End: last, Escape: -1
		}[ev.key];

		if (wanted == null || first < 0)
			return;

		ev.preventDefault();
		this.read(ev.key == 'Escape' ? -1 : Math.min(last, Math.max(first, wanted)));
	}

	/* Shows, and says, who used how much at one sample; -1 for none. */
	read(index) {
		const shown = index >= 0 && this.times[index] && this.xs;

		this.reading = shown ? index : -1;
		this.node.classList.toggle('mz-reading', !!shown);

		if (!shown)
			return;

		const bits = this.bits, time = model.formatClock(this.times[index]);
		const lines = this.layers.map(layer => ({ layer, down: layer.downs[index], up: layer.ups[index] })).filter(l => l.down + l.up > 0);
		const down = lines.reduce((sum, l) => sum + l.down, 0), up = lines.reduce((sum, l) => sum + l.up, 0);
		const flows = (d, u) => '↓ ' + model.formatRate(d, bits) + '  ↑ ' + model.formatRate(u, bits);

		lines.sort((a, b) => (b.down + b.up) - (a.down + a.up));

		this.cursor.setAttribute('x1', round(this.xs[index]));
		this.cursor.setAttribute('x2', round(this.xs[index]));
		this.tip.classList.toggle('mz-left', this.xs[index] > this.width / 2);
		this.tip.replaceChildren(
			E('div', { 'class': 'mz-tip-head' }, [ E('b', [ time ]), E('span', [ flows(down, up) ]) ]),
			...lines.map(l => E('div', {}, [
				E('i', { 'class': 'mz-swatch mz-slot-' + l.layer.slot }),
				E('bdi', [ this.options.name(l.layer) ]),
				E('span', [ flows(l.down, l.up) ])
			])));

		this.node.setAttribute('aria-valuenow', String(Math.round(300 - (this.times[this.times.length - 1] - this.times[index]))));
		this.node.setAttribute('aria-valuetext', [ time + ': ' + flows(down, up) ]
			.concat(lines.slice(0, 5).map(l => model.isolate(this.options.name(l.layer)) + ' ' + flows(l.down, l.up))).join('; '));
	}
}

/* The last two minutes of one host as a line no wider than a word. 60 x 16 units. */
function sparkline(row) {
	const count = 60, start = row.downs.length - count;
	let most = 1250, path = '';

	for (let i = start; i < row.downs.length; i++)
		most = Math.max(most, row.downs[i] + row.ups[i]);

	let level = 16;
	for (let i = 0; i < count; i++) {
		const y = 16 - Math.round(15 * (row.downs[start + i] + row.ups[start + i]) / most);

		if (y != level || i == count - 1)
			path += (level != y && i) ? 'L' + (i - 1) + ' ' + level + 'L' + i + ' ' + y : 'L' + i + ' ' + y;

		level = y;
	}

	return (path.indexOf(' ') < 0 || !row.weight) ? '' : 'M0 16' + path + 'V16Z';
}

return baseclass.extend({ Chart, sparkline, niceStep, edge, stretches });
