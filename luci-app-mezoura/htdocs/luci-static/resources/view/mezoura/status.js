// SPDX-License-Identifier: GPL-2.0-only
'use strict';
'require view';
'require rpc';
'require poll';
'require dom';
'require ui';
'require mezoura.model as model';
'require mezoura.chart as charts';
'require mezoura.table as tables';
'require mezoura.notices as notices';
'require mezoura.theme as theme';

const callStats = rpc.declare({ object: 'mezoura', method: 'stats', params: [ 'offset' ], reject: true });
const callStatus = rpc.declare({ object: 'mezoura', method: 'status', reject: true });
const callReset = rpc.declare({ object: 'mezoura', method: 'reset', params: [ 'host' ], reject: true });

const INTERVAL = 2;          /* seconds between two polls */
const STATUS_EVERY = 15;     /* polls between two looks at the daemon's own state */
const REMEMBER = 'mezoura';

const defaults = { sort: 'down', descending: true, text: '', network: '', bytes: false };

/* A reply holds what fits into one ubus message; the rest is asked for. With a few hundred hosts that is one call. */
function fetchStats() {
	const more = (reply) => {
		if (!L.isObject(reply) || !Array.isArray(reply.hosts))
			throw new Error('failed with error 0');

		if (reply.hosts.length >= (reply.total || 0))
			return reply;

		return callStats(reply.hosts.length).then(next => {
			if (!next?.hosts?.length)
				return reply;

			reply.hosts = reply.hosts.concat(next.hosts);

			return more(reply);
		});
	};

	return callStats().then(more);
}

function save(name, type, text) {
	const url = URL.createObjectURL(new Blob([ text ], { type: type + ';charset=utf-8' }));
	const link = E('a', { 'href': url, 'download': name, 'style': 'display:none' });

	document.body.appendChild(link);
	link.click();
	link.remove();
	window.setTimeout(() => URL.revokeObjectURL(url), 10000);
}

function tile(label, id) {
	const value = E('b', { 'id': id }, [ '–' ]), note = E('small', [ '' ]);

	return { node: E('div', { 'class': 'mz-tile' }, [ E('span', [ label ]), value, note ]), value, note };
}

function setText(node, text) {
	if (node.textContent !== text)
		node.textContent = text;
}

return view.extend({
	load() {
		this.options = Object.assign({}, defaults);

		try {
			Object.assign(this.options, JSON.parse(window.localStorage.getItem(REMEMBER)));
		}
		catch (e) {}

		return this.fetch();
	},

	/* One call; now and then the daemon's state rides along in the same request. Never fails: says what it got. */
	fetch() {
		const calls = [ fetchStats() ];

		this.polls = (this.polls || 0) + 1;
		if (!this.status || this.polls % STATUS_EVERY == 1)
			calls.push(L.resolveDefault(callStatus(), null));

		return Promise.all(calls).then(
			([ stats, status ]) => ({ stats, status }),
			error => ({ failure: model.failure(error) }));
	},

	remember() {
		try {
			window.localStorage.setItem(REMEMBER, JSON.stringify(this.options));
		}
		catch (e) {}
	},

	render(first) {
		this.store = new model.Store();
		this.writable = !!L.hasViewPermission();
		this.tiles = {
			down: tile(_('Download now'), 'mz-down'),
			up: tile(_('Upload now'), 'mz-up'),
			online: tile(_('Devices online'), 'mz-online'),
			busiest: tile(_('Busiest now'), 'mz-busiest')
		};

		this.notices = new notices.Notices();

		this.chart = new charts.Chart({
			label: _('Internet usage of the last minutes; read it with the arrow keys'),
			name: (layer) => this.layerName(layer)
		});

		this.legend = E('ul', {
			'class': 'mz-legend',
			'aria-label': _('Colours of the chart'),
			'pointerover': (ev) => this.chart.highlight(ev.target.closest('li')?.dataset.key ?? null),
			'pointerleave': () => this.chart.highlight(null)
		});

		this.alternative = E('div', { 'class': 'mz-scroll' });
		this.details = E('details', { 'class': 'mz-alternative', 'toggle': () => this.paintAlternative() },
			[ E('summary', [ _('The chart as a table') ]), this.alternative ]);

		this.table = new tables.HostTable({
			options: this.options,
			writable: this.writable,
			changed: () => { this.remember(); this.paintTable(); },
			reset: (row) => this.confirmReset(row)
		});

		this.unattributed = E('p', { 'class': 'mz-muted' });

		this.root = E('div', { 'class': 'mezoura' }, [
			E('link', { 'rel': 'stylesheet', 'href': L.resource('mezoura/mezoura.css') }),
			E('h2', [ _('Internet usage') ]),
			this.notices.node,
			E('div', { 'class': 'mz-tiles' }, [ this.tiles.busiest.node, this.tiles.down.node, this.tiles.up.node, this.tiles.online.node ]),
			this.chart.node,
			this.legend,
			this.details,
			this.renderToolbar(),
			this.table.node,
			this.unattributed
		]);

		theme.follow(this.root);
		this.update(first);
		poll.add(() => document.hidden ? Promise.resolve() : this.fetch().then(L.bind(this.update, this)), INTERVAL);

		/* LuCI goes on polling in a tab that nobody sees; this page does not, and is up to date at once when seen again */
		document.addEventListener('visibilitychange', () => {
			if (!document.hidden && poll.active())
				this.fetch().then(L.bind(this.update, this));
		});

		return this.root;
	},

	renderToolbar() {
		const unit = (bytes, label) => E('button', {
			'type': 'button',
			'class': 'btn cbi-button',
			'aria-pressed': String(this.options.bytes == bytes),
			'click': (ev) => {
				this.options.bytes = bytes;
				for (const button of ev.currentTarget.parentNode.children)
					button.setAttribute('aria-pressed', String(button == ev.currentTarget));
				this.remember();
				this.paint();
			}
		}, [ label ]);

		const button = (label, title, click, style) => E('button', {
			'type': 'button', 'class': 'btn cbi-button ' + (style || ''), 'title': title, 'click': click
		}, [ label ]);

		const name = (ending) => 'mezoura-' + new Date().toISOString().slice(0, 19).replace(/:/g, '') + ending;

		return E('div', { 'class': 'mz-toolbar' }, [
			this.table.filter,
			this.table.networks,
			E('span', { 'class': 'mz-group', 'role': 'group', 'aria-label': _('Unit of rates') }, [
				unit(false, _('Bits')), unit(true, _('Bytes'))
			]),
			E('span', { 'class': 'mz-group' }, [
				button(_('CSV'), _('Download the devices shown, for a spreadsheet'),
					() => save(name('.csv'), 'text/csv', model.toCSV(this.table.rows))),
				button(_('JSON'), _('Download the devices shown, as the daemon reports them'),
					() => save(name('.json'), 'application/json', model.toJSON(this.store.time, this.table.rows)))
			]),
			this.writable ? button(_('Reset totals…'), _('Start counting from zero'), () => this.confirmReset(null), 'cbi-button-reset mz-reset') : ''
		]);
	},

	/* -- one poll -- */

	update(reply) {
		window.performance.mark('mezoura-update');

		if (reply.status)
			this.status = reply.status;

		if (reply.stats)
			this.store.push(reply.stats, Date.now() / 1000);
		else
			this.status = null;

		this.failed = reply.failure || '';
		this.root.classList.toggle('mz-stale', !!this.failed);
		this.notices.update(this.failed, this.status, reply.stats);

		if (reply.stats)
			this.paint();

		window.performance.measure('mezoura-update', 'mezoura-update');
		window.performance.clearMarks('mezoura-update');
	},

	paint() {
		const store = this.store, totals = store.totals, bits = !this.options.bytes, busiest = store.busiest();
		const sum = totals.down + totals.up;

		setText(this.tiles.down.value, model.formatRate(totals.down, bits));
		setText(this.tiles.down.note, _('%s in total').format(model.formatTotal(totals.downTotal)));
		setText(this.tiles.up.value, model.formatRate(totals.up, bits));
		setText(this.tiles.up.note, _('%s in total').format(model.formatTotal(totals.upTotal)));
		setText(this.tiles.online.value, model.formatCount(totals.online));
		setText(this.tiles.online.note, _('of %s known').format(model.formatCount(totals.known)));
		setText(this.tiles.busiest.value, busiest ? model.isolate(busiest.name) : _('Nobody'));
		setText(this.tiles.busiest.note, busiest
			? _('%s %% of all traffic').format(Math.round(100 * (busiest.down + busiest.up) / sum)) : _('The line is idle'));
		this.tiles.busiest.node.className = 'mz-tile mz-slot-' + (busiest ? busiest.slot : -1);

		this.layers = store.layers();
		this.chart.update(store.times, this.layers, bits);
		this.paintLegend(bits);
		this.paintAlternative();
		this.paintTable();
		this.paintUnattributed();
	},

	layerName(layer) {
		return layer.key ? layer.name : N_(layer.count, '%d other device', '%d other devices').format(layer.count);
	},

	paintLegend(bits) {
		const layers = this.layers.slice().sort((a, b) => (b.down + b.up) - (a.down + a.up) || b.weight - a.weight);

		while (this.legend.childNodes.length > layers.length)
			this.legend.lastChild.remove();

		layers.forEach((layer, i) => {
			let item = this.legend.childNodes[i];

			if (!item)
				item = this.legend.appendChild(E('li', [ E('i', { 'class': 'mz-swatch' }), E('bdi', [ '' ]), E('span', [ '' ]) ]));

			if (item.dataset.key !== layer.key)
				item.dataset.key = layer.key;

			const style = 'mz-slot-' + layer.slot + (layer.down + layer.up ? '' : ' mz-idle');
			if (item.className != style)
				item.className = style;

			setText(item.childNodes[1], this.layerName(layer));
			setText(item.childNodes[2], '↓ ' + model.formatRate(layer.down, bits) + '  ↑ ' + model.formatRate(layer.up, bits));
		});
	},

	/* Means of half a minute each, newest first: the chart for those who cannot see it. Made only while it is open. */
	paintAlternative() {
		if (!this.details.open || !this.layers)
			return;

		const times = this.store.times, last = times.length - 1, bits = !this.options.bytes, head = [ _('Time') ], lines = [];

		for (const layer of this.layers)
			head.push(this.layerName(layer));

		for (let part = 0; part < 10; part++) {
			const end = times[last] - part * 30, line = [ model.formatClock(end) ];
			let some = 0;

			for (const layer of this.layers) {
				let down = 0, up = 0, n = 0;

				for (let i = 0; i <= last; i++)
					if (times[i] <= end && times[i] > end - 30) {
						down += layer.downs[i];
						up += layer.ups[i];
						n++;
					}

				some += n;
				line.push(n ? '↓ ' + model.formatRate(down / n, bits) + ' ↑ ' + model.formatRate(up / n, bits) : '–');
			}

			if (some)
				lines.push(line);
		}

		this.alternative.replaceChildren(E('table', { 'class': 'table' }, [
			E('caption', [ _('Mean rates of half a minute each, ending at the time given') ]),
			E('tr', { 'class': 'tr table-titles' }, head.map(text => E('th', { 'class': 'th', 'scope': 'col' }, [ E('bdi', [ text ]) ]))),
			...lines.map(line => E('tr', { 'class': 'tr' }, line.map((text, i) => i
				? E('td', { 'class': 'td' }, [ text ])
				: E('th', { 'class': 'th', 'scope': 'row' }, [ text ]))))
		]));
	},

	paintTable() {
		this.table.update(this.store, !this.options.bytes);
	},

	paintUnattributed() {
		const { download, upload } = this.store.unattributed;

		this.unattributed.hidden = !(download.bytes || upload.bytes);
		setText(this.unattributed, _('Counted, but of no device listed: %s down, %s up.').format(
			model.formatTotal(download.bytes), model.formatTotal(upload.bytes)) + notices.reasons(this.status));
	},

	/* -- the only thing that changes anything -- */

	confirmReset(row) {
		const name = row ? E('b', [ E('bdi', [ row.name ]) ]) : null;

		ui.showModal(row ? _('Reset the totals of one device') : _('Reset all totals'), [
			E('p', row
				? model.fill(_('The totals of %s start from zero again. Live rates are not affected. This cannot be undone.'), name)
				: [ _('The totals of all devices start from zero again. Live rates are not affected. This cannot be undone.') ]),
			E('div', { 'class': 'right' }, [
				E('button', { 'type': 'button', 'class': 'btn', 'click': ui.hideModal }, [ _('Cancel') ]),
				' ',
				E('button', {
					'type': 'button',
					'class': 'btn cbi-button-negative important',
					'click': ui.createHandlerFn(this, () => callReset(row ? (row.host.mac || row.address) : undefined)
						.then(() => this.fetch()).then(L.bind(this.update, this))
						.catch(error => ui.addNotification(null, E('p', [ _('The totals could not be reset: %s').format(error.message) ]), 'danger'))
						.finally(ui.hideModal))
				}, [ _('Reset') ])
			])
		]).querySelector('button').focus();
	},

	handleSaveApply: null,
	handleSave: null,
	handleReset: null
});
