// SPDX-License-Identifier: GPL-2.0-only

/* The page, its /ubus answered by the real daemon, which counts real traffic in the lab. */

import test, { before, after } from 'node:test';
import assert from 'node:assert/strict';
import path from 'node:path';
import { startRouter, sessions } from '../lib/router.mjs';
import { missing, startBridge } from '../lib/bridge.mjs';
import { launch, open, poll, shots, table, text } from '../lib/browser.mjs';

const names = [ '<img/src=x/onerror=alert(1)>', 'kitchen', '"quoted\'name', 'laptop' ];
const without = missing();

if (without && process.env.CI)
	throw new Error('the real daemon has to be tested here: ' + without);

const real = (name, check) => test(name, { skip: without ?? false }, check);

let browser, bridge, router;

before(async () => {
	if (without)
		return;

	bridge = await startBridge(names);
	router = await startRouter({ daemon: bridge.object });
	browser = await launch();
});

after(async () => {
	await browser?.close();
	await router?.close();
	await bridge?.close();
});

const size = (value, names_) => {
	let i = 0;
	for (; value >= 999.5 && i < names_.length - 1; i++)
		value /= 1000;
	return value.toFixed((!i || value >= 99.95) ? 0 : (value >= 9.995) ? 1 : 2) + ' ' + names_[i];
};

const total = (bytes) => size(bytes, [ 'B', 'kB', 'MB', 'GB', 'TB' ]);
const rate = (bytes) => bytes ? size(bytes * 8, [ 'bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s' ]) : '–';

real('the numbers on the page are those of the daemon', async () => {
	await bridge.traffic(4);

	const page = await open(browser, router);

	await poll(page);

	/* traffic has ended: what the command line says now is what the page shows */
	const stats = await bridge.stats();
	const rows = await table(page);

	assert.equal(stats.hosts.length, names.length);
	assert.equal(rows.length, names.length);

	for (const host of stats.hosts) {
		const row = rows.find(r => r.name == host.hostname);

		assert.ok(names.includes(host.hostname), host.hostname);
		assert.ok(host.download.bytes > 1e5 && host.upload.bytes > 1e5);
		assert.deepEqual([ row.downTotal, row.upTotal, row.network, row.packets ],
			[ total(host.download.bytes), total(host.upload.bytes), host.network, (host.download.packets + host.upload.packets).toLocaleString('en') ]);
		assert.equal(row.address.split(' ')[0], host.addresses[0].ip);
	}

	assert.equal(await text(page, '#mz-down small'), total(stats.hosts.reduce((sum, h) => sum + h.download.bytes, 0)) + ' in total');
	assert.equal(await text(page, '#mz-online small'), 'of ' + names.length + ' known');
	assert.deepEqual(page.problems, []);
	await page.context().close();
});

real('rates live while traffic flows, as in the reply they came with', async () => {
	const page = await open(browser, router);
	const traffic = bridge.traffic(8);
	let compared = 0;

	await page.evaluate(async () => {
		const view = await L.require('view.mezoura.status'), update = view.update;

		view.update = function(reply) {
			update.call(this, reply);
			window.seen = (window.seen ?? []).concat([ { reply: reply.stats, rows: Array.from(document.querySelectorAll('.mz-hosts > tbody > tr'), row => ({
				name: row.querySelector('bdi').textContent, down: row.querySelector('.mz-down').textContent.replaceAll('\u00a0', ' '), up: row.querySelector('.mz-up').textContent.replaceAll('\u00a0', ' ') })) } ]);
		};
	});
	await page.waitForTimeout(7000);

	const seen = await page.evaluate(() => window.seen);

	assert.ok(seen.length >= 3, seen.length + ' polls in 7 s');

	for (const { reply, rows } of seen)
		for (const host of reply.hosts) {
			const row = rows.find(r => r.name == host.hostname);

			assert.equal(row.down, rate(host.download.rate));
			assert.equal(row.up, rate(host.upload.rate));
			compared += +(host.download.rate > 1000);
		}

	assert.ok(compared >= 4, 'too little traffic to compare: ' + compared);
	await page.screenshot({ path: path.join(shots, 'daemon.png') });
	await traffic;
	assert.deepEqual(page.problems, []);
	await page.context().close();
});

real('the daemon may go and come while the page is open', async () => {
	const page = await open(browser, router);

	assert.equal(await text(page, '.mz-notices'), '');
	await bridge.stop();
	router.setDaemon(null);
	await page.waitForFunction(() => /not running/.test(document.querySelector('.mz-notices').textContent), null, { timeout: 8000 });
	assert.equal((await table(page)).length, names.length);

	const before = (await table(page)).map(row => [ row.name, row.downTotal ]).sort();

	await bridge.start();
	router.setDaemon(bridge.object);
	await page.waitForFunction(() => document.querySelector('.mz-notices').textContent == '', null, { timeout: 8000 });

	/* it counted on, and lost nothing */
	assert.deepEqual((await table(page)).map(row => [ row.name, row.downTotal ]).sort(), before);
	assert.deepEqual(page.problems, []);
	await page.context().close();
});

real('only who may write resets', async () => {
	const reset = (page) => page.evaluate(async () => {
		const rpc = await L.require('rpc');
		return rpc.declare({ object: 'mezoura', method: 'reset', params: [ 'host' ], reject: true })().then(() => 'done', error => error.message);
	});
	const reader = await open(browser, router, { query: { session: sessions.reader } });

	assert.equal(await reader.locator('.mz-reset').count(), 0);
	assert.match(await reset(reader), /-32002: Access denied/);
	assert.ok((await bridge.stats()).hosts.some(h => h.download.bytes > 1e5));
	await reader.context().close();

	const page = await open(browser, router);

	await page.click('.mz-toolbar .mz-reset');
	await page.click('.modal .important');
	await page.waitForFunction(() => !document.body.classList.contains('modal-overlay-active'));
	assert.ok((await bridge.stats()).hosts.every(h => h.download.bytes < 1e5));
	await page.context().close();
});
