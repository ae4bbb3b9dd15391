// SPDX-License-Identifier: GPL-2.0-only
'use strict';
'require baseclass';
'require mezoura.model as model';

/* Stacked areas over time: downloads above the axis, uploads below it. */

const SPANS = [ 60, 120, 300 ];   /* seconds shown: more, as there is more to show */
const GAP = 10;                   /* seconds without a poll that interrupt the areas */
const FOOT = 18, HEAD = 14;       /* pixels for the clock below, for the highest label above */

const round = (value) => Math.round(value * 10) / 10;

function svg(name, attributes, parent) {
	const node = document.createElementNS('http://www.w3.org/2000/svg', name);

	for (const key in attributes)
		node.setAttribute(key, attributes[key]);

	parent?.appendChild(node);

	return node;
}

/* The next of 1, 2, 5, 10, 20, 50 ... */
function niceStep(value) {
	const power = Math.pow(10, Math.floor(Math.log10(value)));

	return power * [ 1, 2, 5, 10 ].find(n => n * power >= value * 0.999);
}

/* Path from one to another sample, in either direction: level at each, so it never goes beyond them. */
function edge(xs, ys, from, to) {
	const step = (to > from) ? 1 : -1;
	let path = round(xs[from]) + ' ' + round(ys[from]);

	for (let i = from + step; i != to + step; i += step) {
		const middle = round((xs[i - step] + xs[i]) / 2), y = round(ys[i]);

		path += (ys[i] == ys[i - step]) ? 'H' + round(xs[i]) : 'C' + middle + ' ' + round(ys[i - step]) + ' ' + middle + ' ' + y + ' ' + round(xs[i]) + ' ' + y;
	}

	return path;
}

/* [first, last] of each stretch of samples without an interruption. */
function stretches(times, since) {
	const found = [];

	times.forEach((t, i) => {
		if (t <= since)
			return;

		if (found.length && t - times[i - 1] <= GAP)
			found[found.length - 1][1] = i;
		else
			found.push([ i, i ]);
	});

	return found;
}

class Chart {
	/* options: label (for those who hear it), name(layer), small. */
	constructor(options) {
		Object.assign(this, { options, width: 0, layers: [], times: new Float64Array(model.SAMPLES), reading: -1 });
		this.still = window.matchMedia('(prefers-reduced-motion: reduce)');
		this.scale = svg('svg');
		this.slide = svg('svg');
		this.areas = svg('g', {}, this.slide);
		this.ticks = svg('g', {}, this.slide);
		this.cursor = svg('line', { class: 'mz-cursor' }, this.slide);
		this.tip = E('div', { class: 'mz-tip' });
		this.node = E('div', {
			class: 'mz-chart' + (options.small ? ' mz-small' : ''), tabindex: 0,
			role: 'slider', 'aria-label': options.label, 'aria-valuemin': -300, 'aria-valuemax': 0, 'aria-valuenow': 0,
			keydown: (ev) => this.key(ev),
			blur: () => this.read(-1),
			pointermove: (ev) => this.point(ev),
			pointerleave: () => this.read(-1)
		}, [ this.slide, this.scale, this.tip ]);

		this.observer = new ResizeObserver(([ { contentRect } ]) => {
			this.width = Math.round(contentRect.width);
			this.height = Math.round(contentRect.height);
			this.draw();
		});
		this.observer.observe(this.node);
	}

	destroy() {
		this.observer.disconnect();
		this.sliding?.cancel();
	}

	/* layers: {key, slot, downs, ups}, undermost first. */
	update(times, layers, bits) {
		const last = times.length - 1, passed = times[last] - times[last - 1];

		Object.assign(this, { times, layers, bits });
		this.draw();

		/* a reading by keyboard stays with its moment */
		if (this.reading >= 0)
			this.read(this.reading - +(passed > 0 && !this.node.matches(':hover')));

		this.sliding?.cancel();

		if (passed > 0 && passed <= GAP && this.width && !this.still.matches)
			this.sliding = this.slide.animate({ transform: [ 'translateX(' + passed * this.width / this.span + 'px)', 'none' ] }, passed * 1000);
	}

	draw() {
		const { times, width, bits } = this, count = times.length, now = times[count - 1];

		if (!width || !now)
			return;

		this.span = SPANS.find(span => now - times.find(t => t) <= span) || 300;
		this.xs = times.map(t => width - (now - t) * width / this.span);

		const parts = stretches(times, now - this.span - GAP);

		/* the edges of the areas, in bytes per second */
		const edges = [ 'downs', 'ups' ].map(side => this.layers.reduce((all, layer) => {
			const under = all[all.length - 1];
			return all.concat([ under.map((value, i) => value + layer[side][i]) ]);
		}, [ new Float64Array(count) ]));

		/* the axis lies where both sides fit */
		const [ above, below ] = edges.map(all => parts.reduce((most, [ from, to ]) =>
			all[all.length - 1].slice(from, to + 1).reduce((a, b) => Math.max(a, b), most), bits ? 125 : 1000));
		const factor = bits ? 8 : 1, step = niceStep(Math.max(above + below, above * 1.2) * factor / 4.5) / factor;
		const top = Math.ceil(above / step) * step, bottom = Math.max(Math.ceil(below * 4 / step) * step / 4, top / 6);
		const plot = this.height - FOOT, perByte = (plot - HEAD) / (top + bottom), axis = HEAD + top * perByte;

		this.drawScale(step, top, bottom, perByte, axis, plot);
		this.drawClock(now, plot);

		const lines = edges.map((all, s) => all.map(line => line.map(value => axis + (s ? 1 : -1) * perByte * value)));

		this.areas.replaceChildren(...this.layers.map(({ key, slot }, n) => {
			const area = svg('g', { class: 'mz-area mz-slot-' + slot, 'data-key': key });

			for (const side of lines)
				svg('path', { d: parts.map(([ from, to ]) => 'M' + edge(this.xs, side[n + 1], from, to) + 'L' + edge(this.xs, side[n], to, from) + 'Z').join('') }, area);

			return area;
		}));
		this.highlight(this.lit);
	}

	drawScale(step, top, bottom, perByte, axis, plot) {
		this.scale.replaceChildren();
		this.cursor.setAttribute('y2', plot);

		const text = (x, y, anchor, content) => svg('text', { class: 'mz-tick', x, y: round(y), 'text-anchor': anchor }, this.scale).textContent = content;

		for (let n = -Math.floor(bottom / step + 0.01); n <= top / step + 0.01; n++) {
			const y = round(axis - n * step * perByte);

			svg('line', { class: n ? 'mz-grid' : 'mz-grid mz-axis', x2: this.width, y1: y, y2: y }, this.scale);

			if (n)
				text(4, y - 3, 'start', model.formatTick(Math.abs(n) * step, this.bits));
		}

		text(this.width - 4, 26, 'end', '↓ ' + _('Download'));
		text(this.width - 4, plot - 4, 'end', '↑ ' + _('Upload'));
	}

	drawClock(now, plot) {
		const every = (this.span == 300) ? (this.width < 480 ? 120 : 60) : this.span / 2;

		this.ticks.replaceChildren();

		for (let t = Math.floor(now / every) * every; t > now - this.span; t -= every)
			svg('text', { class: 'mz-tick', 'text-anchor': 'middle', x: round(this.width - (now - t) * this.width / this.span), y: plot + 14 }, this.ticks)
				.textContent = model.formatClock(t).replace(/:00(?!:)/, '');
	}

	/* Lets one layer stand out, or none. */
	highlight(key) {
		this.lit = key;
		this.areas.childNodes.forEach(area => area.classList.toggle('mz-dim', key != null && area.dataset.key != key));
	}

	point(ev) {
		const x = ev.clientX - this.node.getBoundingClientRect().left, off = (i) => Math.abs(this.xs[i] - x);

		if (this.xs)
			this.read(this.times.reduce((best, t, i) => (t && off(i) < off(best)) ? i : best, this.times.length - 1));
	}

	key(ev) {
		const last = this.times.length - 1, at = (this.reading < 0) ? last : this.reading;
		const first = this.times.findIndex(t => t > this.times[last] - this.span);
		const wanted = { ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1, PageUp: at + 15, PageDown: at - 15, Home: first, End: last, Escape: -1 }[ev.key];

		if (wanted == null || first < 0)
			return;

		ev.preventDefault();
		this.read(wanted < 0 && ev.key == 'Escape' ? -1 : Math.min(last, Math.max(first, wanted)));
	}

	/* Shows and says who used how much at one sample; -1: none. */
	read(index) {
		const shown = index >= 0 && this.times[index] && this.xs;

		this.reading = shown ? index : -1;
		this.node.classList.toggle('mz-reading', !!shown);

		if (!shown)
			return;

		const x = round(this.xs[index]), time = model.formatClock(this.times[index]), rates = (l) => model.formatRates(l.down, l.up, this.bits);
		const lines = this.layers.map(layer => ({ slot: layer.slot, name: this.options.name(layer), down: layer.downs[index], up: layer.ups[index] }))
			.filter(l => l.down + l.up).sort(model.byRate);
		const sum = lines.reduce((all, l) => ({ down: all.down + l.down, up: all.up + l.up }), { down: 0, up: 0 });

		this.cursor.setAttribute('x1', x);
		this.cursor.setAttribute('x2', x);
		this.tip.classList.toggle('mz-left', x > this.width / 2);
		this.tip.replaceChildren(
			E('div', [ E('b', [ time ]), E('span', [ rates(sum) ]) ]),
			...lines.map(l => E('div', [ E('i', { class: 'mz-swatch mz-slot-' + l.slot }), E('bdi', [ l.name ]), E('span', [ rates(l) ]) ])));

		this.node.setAttribute('aria-valuenow', Math.round(this.times[index] - this.times[this.times.length - 1]));
		this.node.setAttribute('aria-valuetext', [ time + ': ' + rates(sum) ].concat(lines.map(l => model.isolate(l.name) + ' ' + rates(l))).join('; '));
	}
}

/* The last two minutes of a host in 60 x 16 units. */
function sparkline({ downs, ups, weight }) {
	const start = downs.length - 60, sums = downs.slice(start).map((down, i) => down + ups[start + i]);
	const most = sums.reduce((a, b) => Math.max(a, b), 1250);
	let path = 'M0 16';

	if (!weight)
		return '';

	sums.forEach((sum, i) => {
		if (sum || sums[i - 1] || sums[i + 1])
			path += 'L' + i + ' ' + (16 - Math.round(15 * sum / most));
	});

	return path + 'V16Z';
}

return baseclass.extend({ Chart, svg, sparkline, niceStep, edge, stretches });
