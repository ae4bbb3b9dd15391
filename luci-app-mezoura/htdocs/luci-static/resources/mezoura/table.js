// SPDX-License-Identifier: GPL-2.0-only
'use strict';
'require baseclass';
'require mezoura.model as model';
'require mezoura.chart as charts';

/* The table of hosts. A poll changes texts that differ, moves rows that changed places, and asks for no size. */

const columns = [
	[ 'name', _('Name') ], [ 'network', _('Network') ], [ 'address', _('Address') ],
	[ 'down', _('Down now') ], [ 'up', _('Up now') ], [ 'trend', _('Trend') ], [ 'downTotal', _('Total down') ], [ 'upTotal', _('Total up') ],
	[ 'packets', _('Packets') ], [ 'lastSeen', _('Last seen') ]
].map(([ id, label ], i) => ({ id, label, number: i > 2, style: ' mz-' + id + (i > 2 ? ' mz-number' : '') }));

const HOLD = 4000;        /* ms */

const plain = (attributes, content) => E('button', Object.assign({ type: 'button', class: 'mz-plain' }, attributes), [ content ]);

/* Indices of a longest increasing subsequence: the rows that need not move. */
function keepers(places) {
	const tails = [], before = [], keep = new Set();

	places.forEach((place, i) => {
		let low = 0, high = (place < 0) ? -1 : tails.length;

		while (low < high) {
			const middle = (low + high) >> 1;

			if (places[tails[middle]] < place)
				low = middle + 1;
			else
				high = middle;
		}

		if (place >= 0) {
			before[i] = tails[low - 1];
			tails[low] = i;
		}
	});

	for (let i = tails[tails.length - 1]; i != null; i = before[i])
		keep.add(i);

	return keep;
}

/* One host's line. */
class Line {
	constructor() {
		const trend = charts.svg('svg', { viewBox: '0 0 60 16', class: 'mz-spark', 'aria-hidden': true });

		this.shown = {};
		this.place = -1;
		this.name = E('bdi', [ '' ]);
		this.opener = plain({ 'aria-expanded': false }, this.name);
		this.path = charts.svg('path', {}, trend);
		this.cells = {};
		this.node = E('tr', columns.map(({ id, style }) => this.cells[id] = E('td', { class: 'td' + style },
			(id == 'name') ? [ E('i', { class: 'mz-swatch' }), this.opener ] : (id == 'trend') ? [ trend ] : [ '' ])));
		this.node.mezoura = this;
		this.cells.name = this.name;
	}

	write(field, value, format, bits) {
		if (this.shown[field] === value && this.shown.bits === bits)
			return;

		this.shown[field] = value;
		this.cells[field].firstChild.data = format ? format(value, bits) : value;
	}

	update(row, bits, now) {
		const rate = (value) => value ? model.formatRate(value, bits) : '–', more = row.addresses.length - 1;
		const style = 'tr mz-slot-' + row.slot + (row.online ? '' : ' mz-offline') + (row.down + row.up ? '' : ' mz-idle');

		if (this.node.className != style)
			this.node.className = style;

		this.row = row;
		this.write('name', row.name);
		this.write('network', row.network);
		this.write('address', row.address + (more > 0 ? ' +' + more : ''));
		this.write('down', row.down, rate, bits);
		this.write('up', row.up, rate, bits);
		this.write('downTotal', row.downTotal, model.formatTotal);
		this.write('upTotal', row.upTotal, model.formatTotal);
		this.write('packets', row.packets, model.formatCount);
		this.write('lastSeen', model.formatAgo(now - row.lastSeen));
		this.shown.bits = bits;
		this.draw();
		this.detail?.update(row, bits, now);
	}

	draw() {
		const path = this.visible ? charts.sparkline(this.row) : this.shown.path;

		if (this.shown.path !== path)
			this.path.setAttribute('d', this.shown.path = path);
	}

	remove() {
		this.detail?.chart.destroy();
		this.detail?.node.remove();
		this.node.remove();
	}
}

/* What a line shows when it is open. */
class Detail {
	constructor(id, times, reset) {
		this.times = times;
		this.chart = new charts.Chart({ label: _('Internet usage of this device in the last minutes'), small: true, name: (row) => row.name });
		this.facts = E('dl', { class: 'mz-facts' });
		this.split = E('table', { class: 'table mz-split' });
		this.node = E('tr', { id }, [
			E('td', { class: 'td', colspan: columns.length }, [
				E('div', { class: 'mz-detail-box' }, [
					E('div', [ this.chart.node, this.facts ]),
					E('div', [ this.split, reset
						? E('button', { type: 'button', class: 'btn cbi-button cbi-button-reset mz-reset', click: () => reset(this.row) }, [ _('Reset totals…') ]) : '' ])
				])
			])
		]);
	}

	update(row, bits, now) {
		const { host, addresses } = row, facts = [], split = [];
		const fact = (label, value) => value && facts.push(E('dt', [ label ]), E('dd', [ E('bdi', [ value ]) ]));
		const flow = (label, { download, upload }, note) => split.push(E('tr', { class: 'tr' }, [
			E('th', { class: 'th', scope: 'row' }, [ E('bdi', [ label ]) ]),
			...[ '↓ ' + model.formatTotal(download?.bytes || 0), '↑ ' + model.formatTotal(upload?.bytes || 0), note ].map(text => E('td', { class: 'td mz-number' }, [ text ]))
		]));

		this.row = row;
		this.node.className = 'tr mz-detail mz-slot-' + row.slot;
		this.chart.update(this.times, [ row ], bits);

		fact(_('MAC addresses'), L.toArray(host.macs?.length ? host.macs : host.mac).join(', '));
		fact('', host.random && _('A random address: the device may come back as another one'));
		fact(_('Network device'), host.device);
		fact(_('First seen'), model.formatDate(host.first_seen));
		fact(_('Last seen'), model.formatDate(row.lastSeen));

		for (const [ label, family ] of [ [ 'IPv4', host.ipv4 ], [ 'IPv6', host.ipv6 ] ])
			flow(label, family || {}, model.formatRates(family?.download?.rate || 0, family?.upload?.rate || 0, bits));

		addresses.forEach(a => flow(a.ip, a, model.formatAgo(now - a.last_seen)));

		const said = facts.concat(split).map(node => node.textContent).join();

		if (this.said != said) {
			this.said = said;
			this.facts.replaceChildren(...facts);
			this.split.replaceChildren(...split);
		}
	}
}

/* options are the view's, changed() tells it; reset(row) if that is allowed. */
class HostTable {
	constructor({ options, changed, reset }) {
		const search = _('Search name or address');

		Object.assign(this, { options, changed, reset, lines: new Map(), rows: [], opened: 0, touched: 0, turn: 0 });
		this.heads = columns.map(column => E('th', { class: 'th' + column.style, scope: 'col' }, [ plain({ click: () => this.sort(column) }, column.label) ]));
		this.body = E('tbody', {
			click: (ev) => !String(getSelection()) && this.toggle(ev.target.closest('tr').mezoura),
			pointermove: () => this.touched = Date.now(),
			pointerleave: () => this.touched = 0
		});
		this.count = E('span', { class: 'mz-muted', role: 'status' });
		this.all = plain({ click: () => this.showAll() }, _('Show all'));
		this.node = E('div', [
			E('div', { class: 'mz-count' }, [ this.count, this.all ]),
			E('table', { class: 'table mz-hosts', 'aria-label': _('Devices and what they used') }, [ E('thead', [ E('tr', { class: 'tr table-titles' }, this.heads) ]), this.body ])
		]);
		this.filter = E('input', {
			type: 'search', class: 'cbi-input-text', placeholder: search, 'aria-label': search, value: options.text,
			input: (ev) => { options.text = ev.target.value; changed(); }
		});
		this.networks = E('select', { class: 'cbi-input-select', 'aria-label': _('Network'), change: (ev) => { options.network = ev.target.value; changed(); } });
		this.seen = new IntersectionObserver(entries => entries.forEach(({ target, isIntersecting }) => {
			target.mezoura.visible = isIntersecting;
			target.mezoura.draw();
		}), { rootMargin: '100px' });
	}

	sort({ id, number }) {
		const { options } = this;

		options.descending = (options.sort == id) ? !options.descending : number;
		options.sort = id;
		this.changed();
	}

	showAll() {
		this.filter.value = this.options.text = this.options.network = '';
		this.changed();
		this.filter.focus();
	}

	toggle(line) {
		if (!line)
			return;

		if (line.detail) {
			line.detail.chart.destroy();
			line.detail.node.remove();
			line.detail = null;
		}
		else {
			line.detail = new Detail('mz-detail-' + ++this.opened, this.store.times, this.reset);
			line.node.after(line.detail.node);
			line.opener.setAttribute('aria-controls', line.detail.node.id);
		}

		line.opener.setAttribute('aria-expanded', !!line.detail);
		line.update(line.row, !this.options.bytes, this.store.time);
	}

	updateControls({ totals, rows }) {
		const { options } = this, names = new Set([ options.network ].filter(Boolean));

		rows.forEach(row => row.present && row.network && names.add(row.network));

		if (this.names != Array.from(names).join()) {
			this.names = Array.from(names).join();
			this.networks.replaceChildren(E('option', { value: '' }, [ _('All networks') ]), ...Array.from(names).sort().map(value => E('option', { value }, [ value ])));
			this.networks.hidden = names.size < 2;
		}

		this.networks.value = options.network;
		this.heads.forEach((head, i) => head.setAttribute('aria-sort', (columns[i].id != options.sort) ? 'none' : options.descending ? 'descending' : 'ascending'));
		this.all.hidden = this.rows.length == totals.known;

		const count = this.all.hidden ? N_(totals.known, '%d device', '%d devices').format(totals.known) : _('%d of %d devices').format(this.rows.length, totals.known);

		if (this.count.textContent != count)
			this.count.textContent = count;
	}

	update(store) {
		const { options } = this;
		let rows = this.rows = store.list(options);

		this.store = store;
		this.updateControls(store);

		/* none moves from under the pointer; far down a long table they move twice a minute */
		const long = rows.length > 100, turn = this.turn = (this.turn + 1) % 15, sorting = options.sort + options.descending;
		const moving = (this.sorting != sorting) ? rows.length : (Date.now() - this.touched < HOLD) ? 0 : (long && turn) ? 30 : rows.length;
		const place = (row) => this.lines.get(row.key)?.place ?? 1e9;

		rows = rows.slice(0, moving).concat(rows.slice(moving).sort((a, b) => place(a) - place(b)));
		this.sorting = sorting;

		const wanted = new Set(rows.map(row => row.key));

		this.lines.forEach((line, key) => {
			if (wanted.has(key))
				return;

			this.seen.unobserve(line.node);
			this.lines.delete(key);
			line.remove();
		});

		this.arrange(rows.map((row, i) => {
			let line = this.lines.get(row.key);

			if (!line) {
				this.lines.set(row.key, line = new Line());
				this.seen.observe(line.node);
			}

			if (!long || line.visible || !line.row || i % 5 == turn % 5)
				line.update(row, !options.bytes, store.time);

			return line;
		}));
	}

	/* Moves as few rows as possible, and gives the focus back if it was on one of them. */
	arrange(lines) {
		const keep = keepers(lines.map(line => line.place)), focused = document.activeElement;
		let after = null;

		for (let i = lines.length - 1; i >= 0; i--) {
			const { node, detail } = lines[i];

			if (!keep.has(i)) {
				this.body.insertBefore(node, after);
				if (detail)
					this.body.insertBefore(detail.node, after);
			}

			lines[i].place = i;
			after = node;
		}

		if (focused != document.activeElement && this.body.contains(focused))
			focused.focus({ preventScroll: true });
	}
}

return baseclass.extend({ HostTable, keepers });
