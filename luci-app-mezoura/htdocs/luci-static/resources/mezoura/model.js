// SPDX-License-Identifier: GPL-2.0-only
'use strict';
'require baseclass';

/*
 * The pure part of the page: what `ubus call mezoura stats` said, over the last minutes, and how it is put into words and files.
 * Touches no document. Rates are bytes per second and totals bytes, as the daemon gives them; only format* turns them into bits.
 */

const SAMPLES = 160;      /* kept per host: a little over five minutes at one poll in two seconds */
const SLOTS = 8;          /* colours, hence hosts with an area of their own in the chart */

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });

/* Arrays of one fixed length with the newest value last: shifting 640 bytes costs less than a ring index everywhere. */
function shift(samples, value) {
	samples.copyWithin(0, 1);
	samples[samples.length - 1] = value;
}

const num = (value) => (typeof(value) == 'number' && value > 0) ? value : 0;
const flow = (value) => ({ bytes: num(value?.bytes), packets: num(value?.packets), rate: num(value?.rate) });

/* A string that sorts addresses by value: IPv4 before IPv6, each group padded. */
function addressKey(ip) {
	if (!ip)
		return '~';

	if (ip.indexOf(':') < 0)
		return '4' + ip.split('.').map(part => part.padStart(3, '0')).join('');

	const halves = ip.toLowerCase().split('::');
	const head = halves[0] ? halves[0].split(':') : [];
	const tail = halves[1] ? halves[1].split(':') : [];
	const zeros = (halves.length > 1) ? Math.max(0, 8 - head.length - tail.length) : 0;

	return '6' + head.concat(new Array(zeros).fill('0'), tail).map(part => part.padStart(4, '0')).join('');
}

/* What a row shows of one host of the reply. A reply is not trusted to be whole: an absent number is zero. */
function summarise(host, now) {
	const addresses = (Array.isArray(host.addresses) ? host.addresses : []).filter(a => a && a.ip);
	const v4 = addresses.find(a => a.ip.indexOf(':') < 0);
	const address = (v4 || addresses[0])?.ip || '';
	const mac = host.mac || '';
	const download = flow(host.download), upload = flow(host.upload);
	const lastSeen = num(host.last_seen);

	return {
		key: [ host.network || '', mac || address ].join('|'),
		named: !!host.hostname,
		name: host.hostname || mac || address || '?',
		network: host.network || '',
		address, addressKey: addressKey(address),
		down: download.rate, up: upload.rate,
		downTotal: download.bytes, upTotal: upload.bytes,
		packets: download.packets + upload.packets,
		lastSeen,
		online: (typeof(host.online) == 'boolean') ? host.online : (now - lastSeen < 120),
		addresses,
		host
	};
}

/* The hosts of the last replies and what they did. One owner (a view), who calls push() once for each reply. */
class Store {
	constructor() {
		this.times = new Float64Array(SAMPLES);       /* seconds, of the browser's clock; 0 = before the page was opened */
		this.rows = new Map();
		this.slots = new Array(SLOTS).fill(null);
		this.time = 0;                                /* seconds, of the router's clock */
		this.clear();
	}

	clear() {
		this.totals = { down: 0, up: 0, downTotal: 0, upTotal: 0, online: 0, known: 0 };
		this.unattributed = { download: flow(), upload: flow() };
	}

	push(reply, clock) {
		const hosts = Array.isArray(reply?.hosts) ? reply.hosts : [];
		const totals = { down: 0, up: 0, downTotal: 0, upTotal: 0, online: 0, known: 0 };

		this.time = num(reply?.time) || clock;
		shift(this.times, clock);

		for (const row of this.rows.values())
			row.present = false;

		for (const host of hosts) {
			const now = summarise(host, this.time);
			let row = this.rows.get(now.key);

			if (!row) {
				row = { downs: new Float32Array(SAMPLES), ups: new Float32Array(SAMPLES), slot: -1 };
				this.rows.set(now.key, row);
			}
			else if (row.present) {
				continue;
			}

			Object.assign(row, now, { present: true, absent: 0 });
			shift(row.downs, row.down);
			shift(row.ups, row.up);

			totals.down += row.down;
			totals.up += row.up;
			totals.downTotal += row.downTotal;
			totals.upTotal += row.upTotal;
			totals.online += row.online ? 1 : 0;
			totals.known++;
		}

		/* a host that the daemon has forgotten stays in the chart until it scrolls out of it */
		for (const [ key, row ] of this.rows) {
			if (row.present)
				continue;

			row.down = row.up = 0;
			shift(row.downs, 0);
			shift(row.ups, 0);

			if (++row.absent >= SAMPLES) {
				this.rows.delete(key);
				if (row.slot >= 0)
					this.slots[row.slot] = null;
			}
		}

		this.totals = totals;
		this.unattributed = { download: flow(reply?.unattributed?.download), upload: flow(reply?.unattributed?.upload) };
		this.assign();
	}

	/* Gives the busiest hosts of the window a colour each. Who has one keeps it until another is clearly busier. */
	assign() {
		const first = this.times.findIndex(t => t >= this.times[SAMPLES - 1] - 300);
		const ranked = [];

		for (const row of this.rows.values()) {
			let sum = 0;
			for (let i = Math.max(first, 0); i < SAMPLES; i++)
				sum += row.downs[i] + row.ups[i];

			row.weight = sum;
			if (sum > 0)
				ranked.push(row);
			else if (row.slot >= 0)
				row.slot = (this.slots[row.slot] = null, -1);
		}

		ranked.sort((a, b) => b.weight * (b.slot >= 0 ? 1.5 : 1) - a.weight * (a.slot >= 0 ? 1.5 : 1));

		for (const row of ranked.slice(SLOTS))
			if (row.slot >= 0)
				row.slot = (this.slots[row.slot] = null, -1);

		for (const row of ranked.slice(0, SLOTS)) {
			if (row.slot >= 0)
				continue;

			/* the same host tends to get the same colour each time the page is opened */
			let hash = 7;
			for (let i = 0; i < row.key.length; i++)
				hash = (hash * 31 + row.key.charCodeAt(i)) >>> 0;

			while (this.slots[hash % SLOTS] != null)
				hash++;

			row.slot = hash % SLOTS;
			this.slots[row.slot] = row;
		}
	}

	/* Areas of the chart, heaviest first (it lies on the axis), the remainder as one area without a name. */
	layers() {
		const named = this.slots.filter(row => row).sort((a, b) => b.weight - a.weight);
		const rest = { key: '', slot: -1, downs: new Float32Array(SAMPLES), ups: new Float32Array(SAMPLES), down: 0, up: 0, weight: 0, count: 0 };

		for (const row of this.rows.values()) {
			if (row.slot >= 0 || !row.weight)
				continue;

			rest.count++;
			rest.weight += row.weight;
			rest.down += row.down;
			rest.up += row.up;

			for (let i = 0; i < SAMPLES; i++) {
				rest.downs[i] += row.downs[i];
				rest.ups[i] += row.ups[i];
			}
		}

		return rest.count ? named.concat(rest) : named;
	}

	networks() {
		const names = new Set();
		for (const row of this.rows.values())
			if (row.present && row.network)
				names.add(row.network);

		return Array.from(names).sort(collator.compare);
	}

	busiest() {
		let best = null;
		for (const row of this.rows.values())
			if (row.down + row.up > (best ? best.down + best.up : 0))
				best = row;

		return best;
	}

	/* Rows as the table shows them. */
	list(options) {
		const needle = (options.text || '').trim().toLowerCase();
		const compare = comparators[options.sort] || comparators.down;
		const direction = options.descending ? -1 : 1;
		const rows = [];

		for (const row of this.rows.values())
			if (row.present && (!options.network || row.network == options.network) && (!needle || matches(row, needle)))
				rows.push(row);

		return rows.sort((a, b) => direction * compare(a, b) || collator.compare(a.name, b.name) || (a.key < b.key ? -1 : 1));
	}
}

function matches(row, needle) {
	return row.name.toLowerCase().includes(needle) ||
		row.network.toLowerCase().includes(needle) ||
		(row.host.mac || '').toLowerCase().includes(needle) ||
		row.addresses.some(a => a.ip.includes(needle));
}

const byNumber = (field) => (a, b) => a[field] - b[field];

const comparators = {
	name: (a, b) => collator.compare(a.name, b.name),
	network: (a, b) => collator.compare(a.network, b.network),
	address: (a, b) => (a.addressKey < b.addressKey) ? -1 : (a.addressKey > b.addressKey) ? 1 : 0,
	down: byNumber('down'),
	up: byNumber('up'),
	trend: byNumber('weight'),
	downTotal: byNumber('downTotal'),
	upTotal: byNumber('upTotal'),
	packets: byNumber('packets'),
	lastSeen: byNumber('lastSeen')
};

/* -- words and numbers -- */

const units = {
	bits: [ _('bit/s'), _('kbit/s'), _('Mbit/s'), _('Gbit/s'), _('Tbit/s') ],
	bytes: [ _('B/s'), _('kB/s'), _('MB/s'), _('GB/s'), _('TB/s') ],
	total: [ _('B'), _('kB'), _('MB'), _('GB'), _('TB'), _('PB') ]
};

const language = (function() {
	try {
		return Intl.getCanonicalLocales(document.documentElement.lang.replace(/_/g, '-'))[0];
	}
	catch (e) {
		return undefined;
	}
})();

const comma = (1.5).toLocaleString(language).charAt(1);
const integer = new Intl.NumberFormat(language);
const relative = new Intl.RelativeTimeFormat(language, { numeric: 'auto', style: 'short' });
const minuteFormat = new Intl.DateTimeFormat(language, { timeStyle: 'short' });
const clockFormat = new Intl.DateTimeFormat(language, { timeStyle: 'medium' });
const dateFormat = new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'short' });

/* Three digits and a unit: 7.25 Mbit/s, 72.5 Mbit/s, 725 Mbit/s. Intl would do it too, ten times slower, 2500 times a poll. */
function scaled(value, names) {
	let i = 0;

	while (value >= 999.5 && i < names.length - 1) {
		value /= 1000;
		i++;
	}

	const digits = (i == 0 || value >= 99.95) ? 0 : (value >= 9.995) ? 1 : 2;

	return value.toFixed(digits).replace('.', comma) + '\u00a0' + names[i];
}

function formatRate(bytes, bits) {
	return bits ? scaled(bytes * 8, units.bits) : scaled(bytes, units.bytes);
}

/* Label of an axis: no more digits than a round number has. */
function formatTick(bytes, bits) {
	return formatRate(bytes, bits).replace(/([.,]\d*?)0+(?=\D)/, '$1').replace(/[.,](?=\u00a0)/, '');
}

const formatTotal = (bytes) => scaled(bytes, units.total);
const formatCount = (value) => integer.format(value);
const formatClock = (seconds) => clockFormat.format(seconds * 1000);
const formatMinute = (seconds) => minuteFormat.format(seconds * 1000);
const formatDate = (seconds) => (seconds > 0) ? dateFormat.format(seconds * 1000) : '–';

function formatAgo(seconds) {
	if (seconds < 10)
		return _('now');
	if (seconds < 60)
		return relative.format(-Math.floor(seconds / 10) * 10, 'second');
	if (seconds < 3600)
		return relative.format(-Math.floor(seconds / 60), 'minute');
	if (seconds < 86400)
		return relative.format(-Math.floor(seconds / 3600), 'hour');

	return relative.format(-Math.floor(seconds / 86400), 'day');
}

/* Puts nodes or strings where a translated sentence says %s. Strings from outside stay in a direction of their own. */
function fill(sentence, ...values) {
	return sentence.split('%s').reduce((out, part, i) => out.concat(i ? [ values[i - 1], part ] : [ part ]), []);
}

const isolate = (text) => '\u2068' + text + '\u2069';

/* -- files -- */

/* A host name is chosen by its owner: quote it, and keep a spreadsheet from taking it for a formula. */
function csvCell(value) {
	let text = String(value ?? '');

	if (typeof(value) == 'string' && /^[=+\-@\t\r]/.test(text))
		text = '\'' + text;

	return (/[",\r\n;]/).test(text) ? '"' + text.replace(/"/g, '""') + '"' : text;
}

const csvColumns = [
	[ 'hostname', row => row.host.hostname || '' ],
	[ 'mac', row => row.host.mac || '' ],
	[ 'network', row => row.network ],
	[ 'addresses', row => row.addresses.map(a => a.ip).join(' ') ],
	[ 'download_rate', row => row.down ],
	[ 'upload_rate', row => row.up ],
	[ 'download_bytes', row => row.downTotal ],
	[ 'upload_bytes', row => row.upTotal ],
	[ 'download_packets', row => num(row.host.download?.packets) ],
	[ 'upload_packets', row => num(row.host.upload?.packets) ],
	[ 'first_seen', row => num(row.host.first_seen) ],
	[ 'last_seen', row => row.lastSeen ]
];

function toCSV(rows) {
	return [ csvColumns.map(c => c[0]) ].concat(rows.map(row => csvColumns.map(c => csvCell(c[1](row))))).map(line => line.join(',')).join('\r\n') + '\r\n';
}

function toJSON(time, rows) {
	return JSON.stringify({ time, hosts: rows.map(row => row.host) }, null, '\t') + '\n';
}

/* Why a call did not work, from the only thing LuCI tells: the words of its RPCError. */
function failure(error) {
	const text = String(error?.message ?? error);
	const rpc = /failed with error (-?\d+)/.exec(text), ubus = /ubus code (\d+)/.exec(text);

	if (rpc?.[1] == '-32002' || ubus?.[1] == '6')
		return 'denied';
	if (rpc?.[1] == '-32000' || ubus?.[1] == '4' || ubus?.[1] == '10')
		return 'stopped';

	return (rpc || ubus) ? 'error' : 'unreachable';
}

return baseclass.extend({
	SAMPLES, SLOTS, Store,
	addressKey, formatRate, formatTick, formatTotal, formatCount, formatClock, formatMinute, formatDate, formatAgo,
	fill, isolate, toCSV, toJSON, failure
});
