// SPDX-License-Identifier: GPL-2.0-only

import test from 'node:test';
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { load } from '../lib/load.mjs';
import { scan, parse } from '../pot.mjs';
import { allowed, sessions } from '../lib/router.mjs';

const here = path.dirname(fileURLToPath(import.meta.url)), app = path.join(here, '../..');
const charts = load('mezoura.chart'), tables = load('mezoura.table'), theme = load('mezoura.theme');

test('steps of the scale are round', () => {
	for (const [ value, wanted ] of [ [ 1, 1 ], [ 1.1, 2 ], [ 3, 5 ], [ 5, 5 ], [ 6, 10 ], [ 99, 100 ], [ 100, 100 ], [ 0.03, 0.05 ], [ 7e9, 1e10 ] ])
		assert.ok(Math.abs(charts.niceStep(value) / wanted - 1) < 1e-9, value + ' -> ' + charts.niceStep(value));
});

test('an edge goes through its samples in both directions, and never beyond them', () => {
	const xs = [ 0, 10, 20, 30 ], ys = [ 5, 5, 80, 1 ];
	const forth = charts.edge(xs, ys, 0, 3), back = charts.edge(xs, ys, 3, 0);

	assert.equal(forth, '0 5H10C15 5 15 80 20 80C25 80 25 1 30 1');
	assert.ok(back.startsWith('30 1C') && back.endsWith('H0'));

	for (const y of forth.match(/[\d.]+/g).map(Number))
		assert.ok(y <= 80);
});

test('a pause interrupts the areas', () => {
	assert.deepEqual(charts.stretches(Float64Array.of(0, 0, 100, 102, 104, 150, 152), 50), [ [ 2, 4 ], [ 5, 6 ] ]);
	assert.deepEqual(charts.stretches(Float64Array.of(0, 0, 0), 0), []);
});

test('a trend is within its 60 x 16 units', () => {
	const downs = new Float32Array(160).map((_, i) => i * 1e5 % 7e6), ups = new Float32Array(160);
	const path = charts.sparkline({ downs, ups, weight: 1 });

	assert.equal(charts.sparkline({ downs, ups, weight: 0 }), '');
	for (const [ , x, y ] of path.matchAll(/L(\d+) (-?\d+)/g))
		assert.ok(x >= 0 && x < 60 && y >= 1 && y <= 16);
});

test('as few rows move as need to', () => {
	const moved = (places) => places.length - tables.keepers(places).size;

	assert.equal(moved([ 0, 1, 2, 3 ]), 0);
	assert.equal(moved([ 3, 0, 1, 2 ]), 1);
	assert.equal(moved([ 1, 2, 3, 0 ]), 1);
	assert.equal(moved([ 3, 2, 1, 0 ]), 3);
	assert.equal(moved([ -1, 0, -1, 1 ]), 2);
	assert.equal(moved([]), 0);
});

test('colours are measured as people see them', () => {
	const near = (color, wanted) => theme.oklch(color).forEach((v, i) => assert.ok(Math.abs(v - wanted[i]) < [ 0.03, 0.02, 4 ][i], color + ' ' + theme.oklch(color)));

	near('rgb(255, 0, 0)', [ 0.628, 0.258, 29.2 ]);
	near('rgb(25, 118, 210)', [ 0.567, 0.162, 253 ]);
	near('rgba(0, 181, 226, 1)', [ 0.719, 0.133, 223 ]);
	assert.ok(theme.oklch('rgb(255, 255, 255)')[0] > 0.98 && theme.oklch('rgb(255, 255, 255)')[1] < 0.01);
});

test('everything together is below 60 kB, and asks nobody but the router', () => {
	const files = readdirSync(path.join(app, 'htdocs'), { recursive: true }).map(name => path.join(app, 'htdocs', name)).filter(name => /\.(js|css)$/.test(name));
	const size = files.reduce((sum, name) => sum + statSync(name).size, 0);

	assert.ok(size < 60000, size + ' bytes');

	for (const name of files)
		assert.doesNotMatch(readFileSync(name, 'utf8').replace('http://www.w3.org/2000/svg', ''), /https?:|@import|(?<!L\.)url\(|innerHTML|insertAdjacentHTML|localStorage\.clear|eval\(/, name);
});

test('the right to read lets nobody change anything', () => {
	for (const method of [ 'stats', 'status', 'hosts' ]) {
		assert.ok(allowed(sessions.reader, 'ubus', 'mezoura', method));
		assert.ok(allowed(sessions.admin, 'ubus', 'mezoura', method));
		assert.ok(!allowed(sessions.stranger, 'ubus', 'mezoura', method));
	}

	assert.ok(!allowed(sessions.reader, 'ubus', 'mezoura', 'reset'));
	assert.ok(allowed(sessions.admin, 'ubus', 'mezoura', 'reset'));
	assert.ok(allowed(sessions.reader, 'uci', 'mezoura', 'read'));
	assert.ok(!allowed(sessions.reader, 'uci', 'mezoura', 'write'));
	assert.ok(!allowed(sessions.admin, 'ubus', 'file', 'exec'));
	assert.ok(!allowed(sessions.admin, 'uci', 'network', 'write'));
});

test('the scanner finds what is translated', () => {
	assert.deepEqual(scan('a = _(\'one\'); N_(n.length, \'%d x\', \'%d y\'); _(\'it\\\'s\', \'ctx\'); $_(\'no\')').map(e => [ e.id, e.plural ?? e.context ]), [ [ 'one', null ], [ '%d x', '%d y' ], [ 'it\'s', 'ctx' ] ]);
	assert.throws(() => scan('_(name)'));
	assert.deepEqual(parse('msgid ""\nmsgstr "x"\n\nmsgid "a"\n"b"\nmsgstr "c"\n').entries.get('\u0004ab'), [ 'c' ]);
});

test('template and translations are up to date and complete', () => {
	execFileSync(process.execPath, [ path.join(here, '../pot.mjs'), '--check' ], { stdio: 'pipe' });
});
