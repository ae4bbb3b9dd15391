// SPDX-License-Identifier: GPL-2.0-only
'use strict';
'require baseclass';

/* The pure part: what `mezoura stats` said in the last minutes, in words and files. Rates are bytes per second. */

const SAMPLES = 160;      /* per host: over five minutes of polls */
const SLOTS = 8;          /* colours, hence hosts with an area of their own */

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });

const zeros = () => new Float64Array(SAMPLES);

/* Newest last. Returns by how much the sum changed. */
function shift(samples, value) {
	const gone = samples[0];

	samples.copyWithin(0, 1);
	samples[SAMPLES - 1] = value;

	return value - gone;
}

const num = (value) => (value > 0) ? +value : 0;
const flow = (value) => ({ bytes: num(value?.bytes), packets: num(value?.packets), rate: num(value?.rate) });

/* Sorts by value, IPv4 first. */
function addressKey(ip) {
	if (!ip.includes(':'))
		return ip ? '4' + ip.split('.').map(part => part.padStart(3, '0')).join('') : '~';

	const [ head, tail ] = ip.split('::').map(half => half ? half.split(':') : []);
	const parts = tail ? head.concat(Array(Math.max(0, 8 - head.length - tail.length)).fill('0'), tail) : head;

	return '6' + parts.map(part => part.padStart(4, '0')).join('');
}

/* What a row shows of a host. What is absent is zero. */
function summarise(host, now) {
	const addresses = L.toArray(host.addresses).filter(a => a?.ip);
	const address = (addresses.find(a => !a.ip.includes(':')) || addresses[0])?.ip || '';
	const id = host.mac || address, network = host.network || '', lastSeen = num(host.last_seen);
	const download = flow(host.download), upload = flow(host.upload);

	return {
		host, network, address, addresses, lastSeen,
		key: network + '|' + id,
		name: host.hostname || id || '?',
		down: download.rate, up: upload.rate,
		downTotal: download.bytes, upTotal: upload.bytes,
		packets: download.packets + upload.packets,
		online: host.online ?? (now - lastSeen < 120)
	};
}

/* The hosts of the last replies. One owner, who pushes each reply once. */
class Store {
	constructor() {
		this.downs = zeros();
		this.ups = zeros();
		this.times = zeros();       /* the browser's clock; 0: nothing yet */
		this.time = 0;                                /* the router's clock */
		this.rows = new Map();
		this.slots = Array(SLOTS).fill(null);
	}

	push(reply, clock) {
		const totals = this.totals = { down: 0, up: 0, downTotal: 0, upTotal: 0, online: 0, known: 0 };

		this.time = num(reply?.time) || clock;
		this.unattributed = { download: flow(reply?.unattributed?.download), upload: flow(reply?.unattributed?.upload) };
		this.rows.forEach(row => row.present = false);
		shift(this.times, clock);

		for (const host of L.toArray(reply?.hosts)) {
			const now = summarise(host, this.time), row = this.rows.get(now.key) || { downs: zeros(), ups: zeros(), slot: -1, weight: 0 };

			if (row.present)
				continue;

			this.rows.set(now.key, Object.assign(row, now, { present: true, absent: 0 }));

			for (const field of [ 'down', 'up', 'downTotal', 'upTotal' ])
				totals[field] += row[field];

			totals.online += +row.online;
			totals.known++;
		}

		this.rows.forEach((row, key) => {
			if (!row.present)
				row.down = row.up = 0;

			row.weight += shift(row.downs, row.down) + shift(row.ups, row.up);

			/* whom the daemon forgot stays until it has scrolled out of the chart */
			if (!row.present && ++row.absent >= SAMPLES) {
				this.free(row);
				this.rows.delete(key);
			}
		});

		shift(this.downs, totals.down);
		shift(this.ups, totals.up);
		this.assign();
	}

	free(row) {
		if (row.slot >= 0)
			this.slots[row.slot] = null;

		row.slot = -1;
	}

	/* A colour for each of the busiest. Who has one keeps it until another is clearly busier. */
	assign() {
		const ranked = [], worth = (row) => row.weight * (row.slot < 0 ? 1 : 1.5);

		this.rows.forEach(row => {
			if (row.weight)
				ranked.push(row);
			else
				this.free(row);
		});

		ranked.sort((a, b) => worth(b) - worth(a));
		ranked.slice(SLOTS).forEach(row => this.free(row));

		for (const row of ranked.slice(0, SLOTS).filter(r => r.slot < 0)) {
			/* tends to be the same each time */
			let slot = Array.from(row.key).reduce((hash, c) => (hash * 31 + c.charCodeAt(0)) % 8191, 7);

			while (this.slots[slot % SLOTS])
				slot++;

			row.slot = slot % SLOTS;
			this.slots[row.slot] = row;
		}
	}

	/* Areas of the chart, the heaviest (on the axis) first, all others as one without a key. */
	layers() {
		const named = this.slots.filter(row => row).sort((a, b) => b.weight - a.weight);
		const others = (side) => this[side].map((sum, i) => named.reduce((left, row) => left - row[side][i], sum));
		const rest = { key: '', slot: -1, downs: others('downs'), ups: others('ups'), down: 0, up: 0, count: 0 };

		this.rows.forEach(row => {
			if (row.slot >= 0 || !row.weight)
				return;

			rest.count++;
			rest.down += row.down;
			rest.up += row.up;
		});

		return named.concat(rest.count ? rest : []);
	}

	/* Who is using the line, most first. */
	active() {
		return Array.from(this.rows.values()).filter(row => row.down + row.up).sort(byRate);
	}

	/* Rows as the table shows them. */
	list({ text, network, sort, descending }) {
		const needle = text.trim().toLowerCase(), compare = comparators[sort] || byNumber(sort);

		return Array.from(this.rows.values())
			.filter(row => row.present && (!network || row.network == network) && (!needle || matches(row, needle)))
			.sort((a, b) => (descending ? -1 : 1) * compare(a, b) || collator.compare(a.name, b.name) || (a.key < b.key ? -1 : 1));
	}
}

const matches = (row, needle) => [ row.name, row.network, row.host.mac || '' ].concat(row.addresses.map(a => a.ip)).some(text => text.toLowerCase().includes(needle));

const byRate = (a, b) => b.down + b.up - a.down - a.up;
const byNumber = (field) => (a, b) => a[field] - b[field] || 0;

const comparators = {
	name: (a, b) => collator.compare(a.name, b.name),
	network: (a, b) => collator.compare(a.network, b.network),
	address(a, b) {
		const [ x, y ] = [ a, b ].map(row => addressKey(row.address));

		return (x < y) ? -1 : +(x > y);
	},
	trend: byNumber('weight')
};

const units = {
	bits: [ _('bit/s'), _('kbit/s'), _('Mbit/s'), _('Gbit/s') ],
	bytes: [ _('B/s'), _('kB/s'), _('MB/s'), _('GB/s') ],
	total: [ _('B'), _('kB'), _('MB'), _('GB'), _('TB') ]
};

const language = (function() {
	try {
		return Intl.getCanonicalLocales(document.documentElement.lang.replace('_', '-'))[0];
	}
	catch (e) {}
})();

const comma = (1.5).toLocaleString(language).charAt(1);
const integer = new Intl.NumberFormat(language);
const relative = new Intl.RelativeTimeFormat(language, { numeric: 'auto', style: 'short' });
const clock = new Intl.DateTimeFormat(language, { timeStyle: 'medium' });
const date = new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'short' });

/* Three digits and a unit. Intl is ten times slower. */
function scaled(value, names) {
	let i = 0;

	for (; value >= 999.5 && i < names.length - 1; i++)
		value /= 1000;

	return value.toFixed((!i || value >= 99.95) ? 0 : (value >= 9.995) ? 1 : 2).replace('.', comma) + '\u00a0' + names[i];
}

const formatRate = (bytes, bits) => bits ? scaled(bytes * 8, units.bits) : scaled(bytes, units.bytes);
const formatRates = (down, up, bits) => '↓ ' + formatRate(down, bits) + '  ↑ ' + formatRate(up, bits);
const formatTick = (bytes, bits) => formatRate(bytes, bits).replace(/[.,]0+(?=\D)/, '').replace(/([.,]\d)0(?=\D)/, '$1');
const formatTotal = (bytes) => scaled(bytes, units.total);
const formatCount = (value) => integer.format(value);
const formatClock = (seconds) => clock.format(seconds * 1000);
const formatDate = (seconds) => (seconds > 0) ? date.format(seconds * 1000) : '–';

function formatAgo(seconds) {
	const [ size, unit ] = [ [ 86400, 'day' ], [ 3600, 'hour' ], [ 60, 'minute' ], [ 1, 'second' ] ].find(u => seconds >= u[0]) || [];

	return (seconds < 10) ? _('now') : relative.format(-Math.floor(seconds / size), unit);
}

/* Puts nodes where a translated sentence says %s. */
const fill = (sentence, ...values) => sentence.split('%s').reduce((out, part, i) => out.concat(i ? [ values[i - 1], part ] : part), []);

/* Keeps a name in a direction of its own. */
const isolate = (text) => '\u2068' + text + '\u2069';

function recall() {
	const options = { sort: 'down', descending: true, text: '', network: '', bytes: false };

	try {
		return Object.assign(options, JSON.parse(window.localStorage.getItem('mezoura')));
	}
	catch (e) {
		return options;
	}
}

function remember(options) {
	try {
		window.localStorage.setItem('mezoura', JSON.stringify(options));
	}
	catch (e) {}
}

/* Host names are chosen by their owners: no spreadsheet shall take them for formulas. */
function csvCell(value) {
	const text = ((typeof(value) == 'string' && (/^[=+\-@\t\r]/).test(value)) ? '\'' : '') + (value ?? '');

	return (/[",\r\n;]/).test(text) ? '"' + text.replace(/"/g, '""') + '"' : text;
}

function toCSV(rows) {
	const lines = rows.map(({ host, network, addresses, down, up, downTotal, upTotal, lastSeen }) => ({
		hostname: host.hostname, mac: host.mac, network, addresses: addresses.map(a => a.ip).join(' '),
		download_rate: down, upload_rate: up, download_bytes: downTotal, upload_bytes: upTotal,
		download_packets: flow(host.download).packets, upload_packets: flow(host.upload).packets,
		first_seen: num(host.first_seen), last_seen: lastSeen
	}));

	return [ Object.keys(lines[0] || {}) ].concat(lines.map(line => Object.values(line).map(csvCell))).map(line => line.join(',') + '\r\n').join('');
}

const toJSON = (time, rows) => JSON.stringify({ time, hosts: rows.map(row => row.host) }, null, '\t') + '\n';

/* Why a call failed, from the only thing LuCI tells: the words of its RPCError. */
function failure(error) {
	const code = (/failed with (?:error|ubus code) (-?\d+)/).exec(error.message)?.[1];

	return { '-32002': 'denied', 6: 'denied', '-32000': 'stopped', 4: 'stopped', 10: 'stopped' }[code] || (code ? 'error' : 'unreachable');
}

return baseclass.extend({
	SAMPLES, SLOTS, Store, addressKey, formatRate, formatRates, formatTick, formatTotal, formatCount, formatClock, formatDate, formatAgo,
	byRate, fill, isolate, recall, remember, toCSV, toJSON, failure
});
