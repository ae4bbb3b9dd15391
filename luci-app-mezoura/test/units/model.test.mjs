// SPDX-License-Identifier: GPL-2.0-only

import test from 'node:test';
import assert from 'node:assert/strict';
import { load } from '../lib/load.mjs';
import { FakeDaemon } from '../lib/fake.mjs';

const model = load('mezoura.model');
const plain = (text) => text.replace(/\u00a0/g, ' ');

function host(name, rate, more) {
	return { mac: '00:00:00:00:00:' + name, hostname: 'h' + name, network: 'lan', addresses: [], download: { bytes: 100, packets: 2, rate }, upload: { bytes: 10, packets: 1, rate: 0 }, last_seen: 1000, ...more };
}

test('rates and totals have three digits', () => {
	for (const [ bytes, bits, wanted ] of [
		[ 0, true, '0 bit/s' ], [ 1, true, '8 bit/s' ], [ 124, true, '992 bit/s' ], [ 125, true, '1.00 kbit/s' ], [ 1249, true, '9.99 kbit/s' ], [ 1249.9, true, '10.0 kbit/s' ],
		[ 12500, true, '100 kbit/s' ], [ 124937, true, '999 kbit/s' ], [ 124938, true, '1.00 Mbit/s' ], [ 125e6, true, '1.00 Gbit/s' ], [ 1.25e11, true, '1000 Gbit/s' ],
		[ 999, false, '999 B/s' ], [ 1000, false, '1.00 kB/s' ], [ 4.2e6, false, '4.20 MB/s' ]
	])
		assert.equal(plain(model.formatRate(bytes, bits)), wanted);

	assert.equal(plain(model.formatTotal(123456789012)), '123 GB');
	assert.equal(plain(load('mezoura.model', 'de').formatTotal(1234567)), '1,23 MB');
	assert.equal(plain(model.formatTick(2.5e6, true)), '20 Mbit/s');
	assert.equal(plain(model.formatTick(187500, true)), '1.5 Mbit/s');
	assert.equal(plain(model.formatTick(25e6, true)), '200 Mbit/s');
});

test('time since', () => {
	for (const [ seconds, wanted ] of [ [ -3, 'now' ], [ 9, 'now' ], [ 59, '59 sec. ago' ], [ 60, '1 min. ago' ], [ 7300, '2 hr. ago' ], [ 86400, 'yesterday' ], [ 90000 * 3, '3 days ago' ] ])
		assert.equal(model.formatAgo(seconds), wanted);
});

test('a language that the browser does not know is no harm', () => {
	for (const lang of [ 'zh_Hans', 'pt-br', 'zh-cn', '', 'no such language' ])
		assert.ok(load('mezoura.model', lang).formatAgo(4000));
});

test('addresses sort by value', () => {
	const sorted = [ '10.0.0.2', '10.0.0.10', '192.168.1.1', '2001:db8::9', '2001:db8::10', '2001:db8::a:0', 'fe80::1', '' ];
	const keys = sorted.map(model.addressKey);

	assert.deepEqual(keys.slice().sort(), keys);
	assert.equal(model.addressKey('::1'), model.addressKey('0:0:0:0:0:0:0:1'));
});

test('totals are of the hosts of the last reply', () => {
	const store = new model.Store();

	store.push({ time: 1010, hosts: [ host('01', 50), host('02', 0, { online: false }) ], unattributed: { download: { bytes: 7 } } }, 5);
	assert.deepEqual(store.totals, { down: 50, up: 0, downTotal: 200, upTotal: 20, online: 1, known: 2 });
	assert.equal(store.unattributed.download.bytes, 7);

	store.push({ time: 1012, hosts: [ host('01', 20) ] }, 7);
	assert.equal(store.totals.known, 1);
	assert.deepEqual(Array.from(store.rows.get('lan|00:00:00:00:00:01').downs.slice(-3)), [ 0, 50, 20 ]);
	assert.deepEqual(Array.from(store.times.slice(-3)), [ 0, 5, 7 ]);
	assert.equal(store.list({ text: '', network: '', sort: 'name' }).length, 1);
});

test('a reply that lacks everything is none of its business', () => {
	const store = new model.Store();

	for (const reply of [ {}, { hosts: null }, { hosts: [ {} ] }, { hosts: [ { addresses: [ null, {} ], download: { bytes: 'x', rate: -1 } } ] }, null ])
		store.push(reply, 1);

	assert.equal(store.totals.down, 0);
});

test('a forgotten host stays in the chart until it has scrolled out, then nothing of it is kept', () => {
	const store = new model.Store();

	store.push({ hosts: [ host('01', 50) ] }, 1);
	for (let i = 0; i < model.SAMPLES - 1; i++)
		store.push({ hosts: [] }, 2 + i);
	assert.equal(store.layers().length, 1);

	store.push({ hosts: [] }, 999);
	assert.equal(store.rows.size, 0);
	assert.deepEqual(store.slots, Array(model.SLOTS).fill(null));
});

test('the busiest have colours, the others are one area, and the sum is kept', () => {
	const store = new model.Store(), fake = new FakeDaemon({ hosts: 40 });

	for (let i = 0; i < 200; i++)
		store.push(fake.stats({}), i * 2);

	const layers = store.layers(), slots = layers.map(l => l.slot);

	assert.equal(layers.length, model.SLOTS + 1);
	assert.deepEqual(slots.filter(s => s >= 0).sort(), [ 0, 1, 2, 3, 4, 5, 6, 7 ]);
	assert.equal(layers[model.SLOTS].key, '');

	const sum = layers.reduce((all, l) => all + l.downs[model.SAMPLES - 1], 0);
	assert.ok(Math.abs(sum - store.totals.down) < store.totals.down / 1e5);
	assert.equal(layers.reduce((all, l) => all + (l.count ?? 1), 0), Array.from(store.rows.values()).filter(r => r.weight).length);
});

test('a host keeps its colour while others come and go', () => {
	const store = new model.Store();

	store.push({ hosts: [ host('01', 900) ] }, 1);
	const { slot } = store.rows.get('lan|00:00:00:00:00:01');

	for (let i = 0; i < 30; i++)
		store.push({ hosts: [ host('01', 900), ...Array.from({ length: 12 }, (_, n) => host(String(20 + n), (i * 7 + n * 13) % 100)) ] }, 3 + i);

	assert.equal(store.rows.get('lan|00:00:00:00:00:01').slot, slot);
	assert.equal(new Set(store.layers().map(l => l.slot)).size, 9);
});

test('sorts by value in every column, both ways', () => {
	const store = new model.Store(), fake = new FakeDaemon({ hosts: 60 });

	for (let i = 0; i < 5; i++)
		store.push(fake.stats({}), i);

	for (const sort of [ 'down', 'up', 'downTotal', 'upTotal', 'packets', 'lastSeen' ]) {
		const values = store.list({ text: '', network: '', sort, descending: true }).map(row => row[sort]);
		assert.deepEqual(values, values.slice().sort((a, b) => b - a), sort);
	}

	const names = store.list({ text: '', network: '', sort: 'name' }).map(row => row.name);
	assert.ok(names.indexOf('host-20') < names.indexOf('host-100') || !names.includes('host-100'));
	assert.ok(names.indexOf('host-16') < names.indexOf('host-20'));

	const addresses = store.list({ text: '', network: '', sort: 'address' }).map(row => row.address);
	assert.ok(addresses.indexOf('10.1.0.4') < addresses.indexOf('10.1.0.17'));
});

test('filters by text and network', () => {
	const store = new model.Store();
	store.push(new FakeDaemon().stats({}), 1);
	const names = (options) => store.list({ text: '', network: '', sort: 'name', ...options }).map(row => row.name);

	assert.deepEqual(names({ network: 'guest' }), [ 'a4:5e:60:1e:00:0a', 'guest-iphone' ]);
	assert.deepEqual(names({ text: '  PHONE ' }), [ 'guest-iphone', 'marks-phone' ]);
	assert.deepEqual(names({ text: '10.40.' }), [ 'robert-work' ]);
	assert.deepEqual(names({ text: '2001:db8:1::10' }), [ 'living-room-tv' ]);
	assert.deepEqual(names({ text: 'A4:5E:60:14:00:07' }), [ 'doorbell' ]);
});

test('a spreadsheet sees text', () => {
	const store = new model.Store();
	const names = [ '=1+1', '@cmd', '-2', '+3', 'a,"b"', 'x\ny', 'plain' ];

	store.push({ time: 1000, hosts: names.map((hostname, i) => host('0' + i, i, { hostname })) }, 1);

	const lines = model.toCSV(store.list({ text: '', network: '', sort: 'down' })).split('\r\n');

	assert.equal(lines[0].split(',').length, 12);
	assert.deepEqual(lines.slice(1, 6).map(l => l.slice(0, l.indexOf(',00:'))), [ '\'=1+1', '\'@cmd', '\'-2', '\'+3', '"a,""b"""' ]);
	assert.match(lines[6], /^"x\ny",/);
	assert.equal(lines.at(-1), '');
	assert.equal(model.toCSV([]), '\r\n');
});

test('JSON is what the daemon said', () => {
	const store = new model.Store(), reply = new FakeDaemon().stats({});
	store.push(reply, 1);
	assert.deepEqual(JSON.parse(model.toJSON(store.time, store.list({ text: 'tv', network: '', sort: 'name' }))), { time: reply.time, hosts: [ reply.hosts[0] ] });
});

test('what a failed call means', () => {
	for (const [ message, wanted ] of [
		[ 'RPC call to mezoura/stats failed with error -32000: Object not found\n  at x:1', 'stopped' ], [ 'RPC call to mezoura/stats failed with ubus code 4: Resource not found', 'stopped' ],
		[ 'RPC call to mezoura/stats failed with error -32002: Access denied', 'denied' ], [ 'RPC call to mezoura/stats failed with ubus code 6: Permission denied', 'denied' ],
		[ 'RPC call to mezoura/stats failed with ubus code 7: Request timeout', 'error' ], [ 'XHR request timed out', 'unreachable' ]
	])
		assert.equal(model.failure(new Error(message)), wanted, message);
});

test('sentences take nodes', () => {
	assert.deepEqual(model.fill('a %s b %s', 1, 2), [ 'a ', 1, ' b ', 2, '' ]);
	assert.deepEqual(model.fill('nothing'), [ 'nothing' ]);
});
