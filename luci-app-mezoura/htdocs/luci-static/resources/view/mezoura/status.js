// SPDX-License-Identifier: GPL-2.0-only
'use strict';
'require view';
'require rpc';
'require poll';
'require ui';
'require mezoura.model as model';
'require mezoura.chart as charts';
'require mezoura.table as tables';
'require mezoura.notices as notices';
'require mezoura.theme as theme';

const callStats = rpc.declare({ object: 'mezoura', method: 'stats', params: [ 'offset', 'listing' ], reject: true });
const callStatus = rpc.declare({ object: 'mezoura', method: 'status', reject: true });
const callReset = rpc.declare({ object: 'mezoura', method: 'reset', params: [ 'host' ], reject: true });

const INTERVAL = 2;          /* seconds between polls */
const STATUS_EVERY = 15;     /* polls between looks at the daemon's own state */

/* A reply is what fits into one ubus message: hundreds of hosts. The rest is asked for. */
function fetchStats(reply) {
	return callStats(reply?.hosts.length, reply?.listing).then(next => {
		next.hosts = (reply?.hosts || []).concat(next.hosts);

		return (next.hosts.length < next.total && next.listing) ? fetchStats(next) : next;
	});
}

function save(ending, type, text) {
	const href = URL.createObjectURL(new Blob([ text ], { type }));

	E('a', { href, download: 'mezoura-' + new Date().toISOString().slice(0, 19).replace(/:/g, '') + ending }).click();
	window.setTimeout(() => URL.revokeObjectURL(href), 10000);
}

function setText(node, text) {
	if (node.textContent !== text)
		node.textContent = text;
}

return view.extend({
	load() {
		this.options = model.recall();

		return this.fetch();
	},

	/* One call; the daemon's state rides along now and then. Never fails: says what it got. */
	fetch() {
		const due = !this.status || ++this.polls % STATUS_EVERY == 0;

		this.asked = Date.now();
		this.polls = this.polls || 0;

		return Promise.all([ fetchStats(), due ? L.resolveDefault(callStatus(), null) : null ])
			.then(([ stats, status ]) => ({ stats, status }), error => ({ failure: model.failure(error) }));
	},

	poll() {
		return (document.hidden || Date.now() - this.asked < 1000) ? Promise.resolve() : this.fetch().then(L.bind(this.update, this));
	},

	render(first) {
		const tile = (id, label) => this[id] = E('div', { class: 'mz-tile', id: 'mz-' + id }, [ E('span', [ label ]), E('b', [ '–' ]), E('small', [ '' ]) ]);

		this.writable = L.hasViewPermission();
		this.store = new model.Store();
		this.notices = new notices.Notices();
		this.chart = new charts.Chart({ label: _('Internet usage of the last minutes; read it with the arrow keys'), name: this.layerName });
		this.table = new tables.HostTable({
			options: this.options,
			changed: () => { model.remember(this.options); this.table.update(this.store); },
			reset: this.writable && ((row) => this.confirmReset(row))
		});
		this.legend = E('ul', {
			class: 'mz-legend', 'aria-label': _('Colours of the chart'),
			pointerover: (ev) => this.chart.highlight(ev.target.closest('li')?.dataset.key),
			pointerleave: () => this.chart.highlight()
		});
		this.minutes = E('details', { class: 'mz-alternative mz-scroll', toggle: () => this.paintMinutes() }, [ E('summary', [ _('The chart as a table') ]), E('div') ]);
		this.rest = E('p', { class: 'mz-muted' });
		this.root = E('div', { class: 'mezoura' }, [
			E('link', { rel: 'stylesheet', href: L.resource('mezoura/mezoura.css') }),
			E('h2', [ _('Internet usage') ]),
			this.notices.node,
			E('div', { class: 'mz-tiles' }, [ tile('busiest', _('Busiest now')), tile('down', _('Download now')), tile('up', _('Upload now')), tile('online', _('Devices online')) ]),
			this.chart.node, this.legend, this.minutes, this.renderToolbar(), this.table.node, this.rest
		]);

		theme.follow(this.root);
		this.update(first);
		poll.add(() => this.poll(), INTERVAL);

		/* LuCI goes on polling in a tab that nobody sees; this page does not */
		document.addEventListener('visibilitychange', () => poll.active() && this.poll());

		return this.root;
	},

	renderToolbar() {
		const { options, table } = this;
		const button = (label, title, click, style) => E('button', { type: 'button', class: 'btn cbi-button ' + (style || ''), title, click }, [ label ]);

		return E('div', { class: 'mz-toolbar' }, [
			table.filter,
			table.networks,
			E('select', {
				class: 'cbi-input-select', 'aria-label': _('Unit of rates'),
				change: (ev) => { options.bytes = !!ev.target.selectedIndex; model.remember(options); this.paint(); }
			}, [ _('Bits'), _('Bytes') ].map((label, i) => E('option', { selected: (i == +options.bytes) || null }, [ label ]))),
			button(_('CSV'), _('Download the devices shown'), () => save('.csv', 'text/csv', model.toCSV(table.rows))),
			button(_('JSON'), _('Download the devices shown'), () => save('.json', 'application/json', model.toJSON(this.store.time, table.rows))),
			this.writable ? button(_('Reset totals…'), null, () => this.confirmReset(), 'cbi-button-reset mz-reset') : ''
		]);
	},

	update({ stats, status, failure }) {
		this.status = stats ? status || this.status : null;
		this.root.classList.toggle('mz-stale', !!failure);
		this.notices.update(failure, this.status, stats);

		if (stats) {
			this.store.push(stats, Date.now() / 1000);
			this.paint();
		}
	},

	paint() {
		const { store, options: { bytes } } = this, { totals } = store, [ busiest ] = store.active();
		const tile = (node, value, note) => { setText(node.childNodes[1], value); setText(node.childNodes[2], note); };

		tile(this.down, model.formatRate(totals.down, !bytes), _('%s in total').format(model.formatTotal(totals.downTotal)));
		tile(this.up, model.formatRate(totals.up, !bytes), _('%s in total').format(model.formatTotal(totals.upTotal)));
		tile(this.online, model.formatCount(totals.online), _('of %s known').format(model.formatCount(totals.known)));

		if (busiest)
			tile(this.busiest, model.isolate(busiest.name), _('%d%% of all traffic').format(Math.round(100 * (busiest.down + busiest.up) / (totals.down + totals.up))));
		else
			tile(this.busiest, _('Nobody'), _('The line is idle'));

		this.busiest.className = 'mz-tile mz-slot-' + (busiest ? busiest.slot : -1);
		this.layers = store.layers();
		this.chart.update(store.times, this.layers, !bytes);
		this.paintLegend();
		this.paintMinutes();
		this.table.update(store);
		this.paintRest();
	},

	layerName: (layer) => layer.key ? layer.name : N_(layer.count, '%d other device', '%d other devices').format(layer.count),

	paintLegend() {
		const layers = this.layers.slice().sort(model.byRate);

		this.legend.replaceChildren(...layers.map(layer => E('li', { class: 'mz-slot-' + layer.slot, 'data-key': layer.key }, [
			E('i', { class: 'mz-swatch' }), E('bdi', [ this.layerName(layer) ]), E('span', [ model.formatRates(layer.down, layer.up, !this.options.bytes) ])
		])));
	},

	/* The chart for those who cannot see it. */
	paintMinutes() {
		const { times } = this.store, lines = [];

		if (!this.minutes.open)
			return;

		for (let end = times[times.length - 1], n = 0; n < 10; n++, end -= 30) {
			const part = Array.from(times.keys()).filter(i => times[i] <= end && times[i] > end - 30);
			const mean = (samples) => part.reduce((sum, i) => sum + samples[i], 0) / part.length;

			if (part.length)
				lines.push([ model.formatClock(end) ].concat(this.layers.map(layer => model.formatRates(mean(layer.downs), mean(layer.ups), !this.options.bytes))));
		}

		const row = (cells, head) => E('tr', { class: 'tr' }, cells.map((text, i) => head || !i
			? E('th', { class: 'th', scope: head ? 'col' : 'row' }, [ E('bdi', [ text ]) ]) : E('td', { class: 'td' }, [ text ])));

		this.minutes.lastChild.replaceChildren(E('table', { class: 'table' }, [
			E('caption', [ _('Mean rates of half a minute each, ending at the time given') ]),
			row([ _('Time') ].concat(this.layers.map(this.layerName)), true),
			...lines.map(line => row(line))
		]));
	},

	paintRest() {
		const { download, upload } = this.store.unattributed;

		this.rest.hidden = !(download.bytes + upload.bytes);
		setText(this.rest, _('Counted, but of no device listed: %s down, %s up').format(model.formatTotal(download.bytes), model.formatTotal(upload.bytes)) + notices.reasons(this.status));
	},

	confirmReset(row) {
		const reset = () => callReset(row && (row.host.mac || row.address)).then(() => this.fetch()).then(L.bind(this.update, this))
			.catch(error => ui.addNotification(null, E('p', [ _('The totals could not be reset: %s').format(error.message) ]), 'danger'))
			.finally(ui.hideModal);

		ui.showModal(_('Reset totals'), [
			E('p', model.fill(_('The totals of %s start from zero again. This cannot be undone.'), E('b', [ E('bdi', [ row ? row.name : _('all devices') ]) ]))),
			E('div', { class: 'right' }, [
				E('button', { type: 'button', class: 'btn', click: ui.hideModal }, [ _('Cancel') ]), ' ',
				E('button', { type: 'button', class: 'btn cbi-button-negative important', click: ui.createHandlerFn(this, reset) }, [ _('Reset') ])
			])
		]).querySelector('button').focus();
	},

	handleSaveApply: null,
	handleSave: null,
	handleReset: null
});
