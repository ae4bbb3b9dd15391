// SPDX-License-Identifier: GPL-2.0-only
'use strict';
'require baseclass';
'require mezoura.model as model';
'require mezoura.chart as charts';

/*
 * The table of hosts. Rows are kept from poll to poll: a poll changes the texts that differ, moves the rows that changed places, and draws the
 * trends that are on the screen. It never asks the browser for a size or a place.
 */

const columns = [
	{ id: 'name', label: () => _('Name') },
	{ id: 'network', label: () => _('Network') },
	{ id: 'address', label: () => _('Address') },
	{ id: 'down', label: () => _('Down now'), number: true },
	{ id: 'up', label: () => _('Up now'), number: true },
	{ id: 'trend', label: () => _('Trend'), number: true },
	{ id: 'downTotal', label: () => _('Total down'), number: true },
	{ id: 'upTotal', label: () => _('Total up'), number: true },
	{ id: 'packets', label: () => _('Packets'), number: true },
	{ id: 'lastSeen', label: () => _('Last seen'), number: true }
];

const SVG = 'http://www.w3.org/2000/svg';
const HOLD = 4000;        /* ms during which rows stay where they are after the pointer moved over them */

/* Indices of a longest increasing subsequence: rows that need not move. */
function keepers(places) {
	const tails = [], previous = new Array(places.length);

	places.forEach((place, i) => {
		if (place < 0)
			return;

		let low = 0, high = tails.length;
		while (low < high) {
			const middle = (low + high) >> 1;
			if (places[tails[middle]] < place)
				low = middle + 1;
			else
				high = middle;
		}

		previous[i] = low ? tails[low - 1] : -1;
		tails[low] = i;
	});

	const keep = new Set();
	for (let i = tails.length ? tails[tails.length - 1] : -1; i >= 0; i = previous[i])
		keep.add(i);

	return keep;
}

/* One host's line. Remembers what it shows, so as to write only what changed. */
class Row {
	constructor(table, row) {
		this.table = table;
		this.row = row;
		this.shown = {};
		this.cells = {};
		this.visible = false;

		this.swatch = E('i', { 'class': 'mz-swatch' });
		this.name = E('bdi', [ '' ]);
		this.opener = E('button', { 'type': 'button', 'class': 'mz-opener', 'aria-expanded': 'false' }, [ this.name ]);
		this.path = document.createElementNS(SVG, 'path');

		const trend = document.createElementNS(SVG, 'svg');
		trend.setAttribute('viewBox', '0 0 60 16');
		trend.setAttribute('preserveAspectRatio', 'none');
		trend.setAttribute('class', 'mz-spark');
		trend.setAttribute('aria-hidden', 'true');
		trend.appendChild(this.path);

		this.node = E('tr', { 'class': 'tr' }, columns.map(column => {
			const cell = this.cells[column.id] = E('td', { 'class': 'td mz-' + column.id + (column.number ? ' mz-number' : ''), 'data-title': column.label() });

			if (column.id == 'name')
				cell.append(this.swatch, this.opener);
			else if (column.id == 'trend')
				cell.append(trend);
			else
				cell.append('');

			return cell;
		}));
		this.node.mezoura = this;
	}

	write(field, value, text) {
		if (this.shown[field] === value)
			return;

		this.shown[field] = value;
		(field == 'name' ? this.name : this.cells[field]).firstChild.data = text;
	}

	update(row, bits, now) {
		const unit = bits ? 'b' : 'B', more = row.addresses.length - 1, ago = model.formatAgo(now - row.lastSeen);
		const style = 'tr mz-slot-' + row.slot + (row.online ? '' : ' mz-offline') + (row.down + row.up ? '' : ' mz-idle') + (this.detail ? ' mz-open' : '');

		this.row = row;

		if (this.shown.style !== style)
			this.node.className = this.shown.style = style;

		this.write('name', row.name, row.name);
		this.write('network', row.network, row.network);
		this.write('address', row.address + '+' + more, row.address + (more > 0 ? ' +' + more : ''));
		this.write('down', unit + row.down, row.down ? model.formatRate(row.down, bits) : '–');
		this.write('up', unit + row.up, row.up ? model.formatRate(row.up, bits) : '–');
		this.write('downTotal', row.downTotal, model.formatTotal(row.downTotal));
		this.write('upTotal', row.upTotal, model.formatTotal(row.upTotal));
		this.write('packets', row.packets, model.formatCount(row.packets));
		this.write('lastSeen', ago, ago);
		this.draw();
		this.detail?.update(row, bits, now);
	}

	draw() {
		if (!this.visible)
			return;

		const path = charts.sparkline(this.row);

		if (this.shown.path !== path)
			this.path.setAttribute('d', this.shown.path = path);
	}
}

/* What a row shows when it is open. */
class Detail {
	constructor(table, row, times) {
		this.table = table;
		this.times = times;
		this.chart = new charts.Chart({ label: _('Internet usage of this device in the last minutes'), height: 150, name: (layer) => layer.name });
		this.facts = E('dl', { 'class': 'mz-facts' });
		this.split = E('table', { 'class': 'table mz-split' });
		this.node = E('tr', { 'class': 'tr mz-detail', 'id': 'mz-detail-' + (++table.details) }, [
			E('td', { 'class': 'td', 'colspan': columns.length }, [
				E('div', { 'class': 'mz-detail-box' }, [
					E('div', [ this.chart.node, this.facts ]),
					E('div', [
						E('div', { 'class': 'mz-scroll' }, [ this.split ]),
						table.options.writable ? E('div', { 'class': 'right' }, [
							E('button', { 'type': 'button', 'class': 'btn cbi-button cbi-button-reset mz-reset', 'click': () => table.options.reset(this.row) }, [ _('Reset totals…') ])
						]) : ''
					])
				])
			])
		]);
	}

	update(row, bits, now) {
		const host = row.host, macs = Array.isArray(host.macs) && host.macs.length ? host.macs : [ host.mac ].filter(Boolean);
		const line = (label, value, title) => value ? [ E('dt', [ label ]), E('dd', { 'title': title || null }, [ E('bdi', [ value ]) ]) ] : [];

		this.row = row;
		this.node.className = 'tr mz-detail mz-slot-' + row.slot;
		this.chart.update(this.times, [ row ], bits);

		const facts = [].concat(
			line(_('MAC address'), macs.join(', ')),
			host.random ? line('', _('A random address: the device may come back as another one')) : [],
			line(_('Network device'), host.device),
			line(_('First seen'), model.formatDate(host.first_seen)),
			line(_('Last seen'), model.formatDate(row.lastSeen)));

		const flows = (label, down, up, rates, seen) => E('tr', { 'class': 'tr' }, [
			E('th', { 'class': 'th', 'scope': 'row' }, [ E('bdi', [ label ]) ]),
			E('td', { 'class': 'td mz-number' }, [ '↓ ' + model.formatTotal(down?.bytes || 0) ]),
			E('td', { 'class': 'td mz-number' }, [ '↑ ' + model.formatTotal(up?.bytes || 0) ]),
			E('td', { 'class': 'td mz-number' }, [ rates
				? '↓ ' + model.formatRate(down?.rate || 0, bits) + '  ↑ ' + model.formatRate(up?.rate || 0, bits)
				: model.formatAgo(now - (seen || 0)) ])
		]);

		const split = [
			flows('IPv4', host.ipv4?.download, host.ipv4?.upload, true),
			flows('IPv6', host.ipv6?.download, host.ipv6?.upload, true)
		].concat(row.addresses.map(a => flows(a.ip, a.download, a.upload, false, a.last_seen)));

		const said = facts.concat(split).map(node => node.textContent).join('\n');

		if (said != this.said) {
			this.said = said;
			this.facts.replaceChildren(...facts);
			this.split.replaceChildren(...split);
		}
	}
}

/* options: options (the view's, which this sorts and filters by), changed(), reset(row), writable. */
class HostTable {
	constructor(options) {
		this.options = options;
		this.view = options.options;
		this.lines = new Map();
		this.rows = [];
		this.details = 0;
		this.touched = 0;

		this.body = E('tbody');
		this.heads = columns.map(column => E('th', { 'class': 'th mz-' + column.id + (column.number ? ' mz-number' : ''), 'scope': 'col' }, [
			E('button', { 'type': 'button', 'data-sort': column.id, 'click': () => this.sort(column) }, [ column.label() ])
		]));
		this.table = E('table', { 'class': 'table mz-hosts' }, [
			E('caption', { 'class': 'mz-hidden' }, [ _('Devices and what they used') ]),
			E('thead', [ E('tr', { 'class': 'tr table-titles' }, this.heads) ]),
			this.body
		]);
		this.count = E('span', { 'class': 'mz-muted', 'role': 'status' });
		this.all = E('button', { 'type': 'button', 'class': 'mz-link', 'click': () => this.showAll() }, [ _('Show all') ]);
		this.sorting = E('select', { 'class': 'cbi-input-select mz-sorting', 'aria-label': _('Sort by'), 'change': (ev) => this.sort(columns[ev.target.selectedIndex]) },
			columns.map(column => E('option', { 'value': column.id }, [ _('Sort by: %s').format(column.label()) ])));
		this.node = E('div', { 'class': 'mz-table' }, [ E('p', { 'class': 'mz-count' }, [ this.count, ' ', this.all, this.sorting ]), this.table ]);

		this.filter = E('input', {
			'type': 'search', 'class': 'cbi-input-text', 'placeholder': _('Search name or address'), 'aria-label': _('Search name or address'), 'value': this.view.text,
			'input': (ev) => { this.view.text = ev.target.value; this.options.changed(); }
		});
		this.networks = E('select', {
			'class': 'cbi-input-select', 'aria-label': _('Network'),
			'change': (ev) => { this.view.network = ev.target.value; this.options.changed(); }
		});

		/* which rows are on the screen, told by the browser when it has the time */
		this.seen = new IntersectionObserver(entries => {
			for (const entry of entries) {
				const line = entry.target.mezoura;

				line.visible = entry.isIntersecting;
				line.draw();
			}
		}, { rootMargin: '100px' });

		this.body.addEventListener('click', (ev) => {
			const line = ev.target.closest('tr')?.mezoura;

			if (line && !String(window.getSelection()))
				this.toggle(line);
		});
		this.body.addEventListener('pointermove', () => this.touched = Date.now());
		this.body.addEventListener('pointerleave', () => this.touched = 0);
	}

	sort(column) {
		this.view.descending = (this.view.sort == column.id) ? !this.view.descending : !!column.number;
		this.view.sort = column.id;
		this.touched = 0;
		this.options.changed();
	}

	showAll() {
		this.filter.value = this.view.text = this.view.network = '';
		this.options.changed();
		this.filter.focus();
	}

	toggle(line) {
		if (line.detail) {
			line.detail.chart.destroy();
			line.detail.node.remove();
			line.detail = null;
			line.opener.removeAttribute('aria-controls');
		}
		else {
			line.detail = new Detail(this, line.row, this.store.times);
			line.node.after(line.detail.node);
			line.opener.setAttribute('aria-controls', line.detail.node.id);
		}

		line.opener.setAttribute('aria-expanded', String(!!line.detail));
		line.update(line.row, this.bits, this.store.time);
	}

	updateNetworks(names) {
		if (this.view.network && !names.includes(this.view.network))
			names = names.concat(this.view.network);

		const shown = names.join('\n');

		if (this.shownNetworks === shown)
			return;

		this.shownNetworks = shown;
		this.networks.replaceChildren(E('option', { 'value': '' }, [ _('All networks') ]), ...names.map(name => E('option', { 'value': name }, [ name ])));
		this.networks.hidden = names.length < 2;
	}

	update(store, bits) {
		const held = Date.now() - this.touched < HOLD && this.order == this.view.sort + this.view.descending;
		let rows = store.list(this.view);

		this.store = store;
		this.bits = bits;
		this.rows = rows;
		this.updateNetworks(store.networks());
		this.networks.value = this.view.network;

		columns.forEach((column, i) => {
			const wanted = (column.id != this.view.sort) ? 'none' : this.view.descending ? 'descending' : 'ascending';

			if (this.heads[i].getAttribute('aria-sort') != wanted)
				this.heads[i].setAttribute('aria-sort', wanted);
		});
		this.sorting.value = this.view.sort;

		/* rows do not run away from under the pointer: new ones come last until it rests */
		if (held) {
			const places = new Map(this.keys.map((key, i) => [ key, i ]));
			rows = rows.slice().sort((a, b) => (places.get(a.key) ?? Infinity) - (places.get(b.key) ?? Infinity) || 0);
		}

		const wanted = new Set(rows.map(row => row.key));

		for (const [ key, line ] of this.lines) {
			if (wanted.has(key))
				continue;

			this.seen.unobserve(line.node);
			line.detail?.chart.destroy();
			line.detail?.node.remove();
			line.node.remove();
			this.lines.delete(key);
		}

		const lines = rows.map(row => {
			let line = this.lines.get(row.key);

			if (!line) {
				line = new Row(this, row);
				line.place = -1;
				this.lines.set(row.key, line);
				this.seen.observe(line.node);
			}

			line.update(row, bits, store.time);

			return line;
		});

		this.arrange(lines);
		this.keys = rows.map(row => row.key);
		this.order = this.view.sort + this.view.descending;

		const text = (rows.length == store.totals.known)
			? N_(rows.length, '%d device', '%d devices').format(rows.length)
			: _('%d of %d devices').format(rows.length, store.totals.known);

		if (this.count.textContent != text)
			this.count.textContent = text;

		this.all.hidden = rows.length == store.totals.known;
	}

	/* Moves as few rows as possible, and gives the focus back if it was on one of them. */
	arrange(lines) {
		const keep = keepers(lines.map(line => line.place)), focused = document.activeElement;
		let after = null;

		for (let i = lines.length - 1; i >= 0; i--) {
			const line = lines[i];

			if (line.place < 0 || !keep.has(i)) {
				this.body.insertBefore(line.node, after);
				if (line.detail)
					this.body.insertBefore(line.detail.node, after);
			}

			line.place = i;
			after = line.node;
		}

		if (focused && focused != document.activeElement && this.body.contains(focused))
			focused.focus({ preventScroll: true });
	}
}

return baseclass.extend({ HostTable, keepers });
