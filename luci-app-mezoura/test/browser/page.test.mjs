// SPDX-License-Identifier: GPL-2.0-only

/* The page in a browser, with a daemon made of arithmetic: whatever the lab would take long to do. */

import test, { before, after, describe } from 'node:test';
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { startRouter, sessions } from '../lib/router.mjs';
import { FakeDaemon } from '../lib/fake.mjs';
import { FakeUci } from '../lib/uci.mjs';
import { launch, open, poll, shots, table, text } from '../lib/browser.mjs';
import { translations } from '../lib/translations.mjs';

const config = {
	mezoura: [ { '.name': 'main', '.type': 'mezoura', enabled: '1', network: [ 'lan' ], table_size: '4096' }, { '.name': 'tv', '.type': 'alias', name: 'tv', mac: [ '00:11:22:33:44:55' ] } ],
	network: [ { '.name': 'lan', '.type': 'interface', device: 'br-lan' }, { '.name': 'guest', '.type': 'interface' } ],
	luci: [ { '.name': 'main', '.type': 'core' } ], firewall: [], system: [], wireless: [], dhcp: []
};

let browser, router, fake, uci;

before(async () => {
	uci = new FakeUci(config);
	router = await startRouter({ uci: uci.object(), translations });
	browser = await launch();
});

after(async () => {
	await browser?.close();
	await router?.close();
});

function daemon(options) {
	fake = new FakeDaemon(options);
	router.setDaemon(fake.object());
	router.calls.length = 0;
	return fake;
}

async function with_(options, check) {
	const page = await open(browser, router, options);

	try {
		await check(page);
		assert.deepEqual(page.problems, []);
	}
	finally {
		await page.context().close();
	}
}

/* Waits for what has to be there in a moment, and returns it. */
async function until(there) {
	for (const end = Date.now() + 10000; ; await setTimeout(20)) {
		const found = await there();

		if (found)
			return found;

		assert.ok(Date.now() < end, 'never: ' + there);
	}
}

describe('the page', () => {
	test('one call each two seconds, none while nobody looks', async () => {
		daemon();
		await with_({}, async page => {
			await page.waitForTimeout(6500);
			const calls = router.calls.filter(c => c.object == 'mezoura');
			const stats = calls.filter(c => c.method == 'stats');

			assert.equal(calls.filter(c => c.method == 'status').length, 1);
			assert.ok(stats.length >= 3 && stats.length <= 5, stats.length + ' calls in 6.5 s');

			await page.evaluate(() => { Object.defineProperty(document, 'hidden', { value: true, configurable: true }); document.dispatchEvent(new Event('visibilitychange')); });
			await page.waitForTimeout(300);
			router.calls.length = 0;
			await page.waitForTimeout(4500);
			assert.equal(router.calls.length, 0);

			await page.evaluate(() => { Object.defineProperty(document, 'hidden', { value: false, configurable: true }); document.dispatchEvent(new Event('visibilitychange')); });
			await until(() => router.calls.some(c => c.method == 'stats'));
			await page.waitForTimeout(300);
			assert.equal(router.calls.filter(c => c.method == 'stats').length, 1);
		});
	});

	test('says who is using it now', async () => {
		daemon();
		await with_({}, async page => {
			const hosts = fake.hosts.slice().sort((a, b) => b.downRate + b.upRate - a.downRate - a.upRate);

			assert.match(await text(page, '#mz-busiest'), new RegExp(hosts[0].hostname));
			assert.equal(await text(page, '#mz-online b'), '14');
			assert.equal(await page.$$eval('.mz-legend li', items => items.length), 9);
			assert.equal(await until(() => page.locator('.mz-area').count()), 9);
		});
	});

	test('sorts by each column, and remembers', async () => {
		daemon({ hosts: 30 });
		await with_({}, async page => {
			const heads = await page.$$('.mz-hosts thead button');

			assert.equal(heads.length, 10);
			for (const head of heads.slice(0, 3)) {
				await head.click();
				assert.equal(await head.evaluate(node => node.parentNode.getAttribute('aria-sort')), 'ascending');
			}

			const addresses = (await table(page)).map(row => row.address.split(' ')[0]);
			assert.ok(addresses.indexOf('10.1.0.4') < addresses.indexOf('10.1.0.17'));

			for (const [ i, field, unit ] of [ [ 6, 'downTotal', 'total' ], [ 8, 'packets' ] ]) {
				await heads[i].click();
				const values = (await table(page)).map(row => row[field]);
				const size = (s) => parseFloat(s.replace(/,/g, '')) * (unit ? 1000 ** [ 'B', 'kB', 'MB', 'GB', 'TB' ].indexOf(s.split(' ')[1]) : 1);
				assert.deepEqual(values.map(size), values.map(size).sort((a, b) => b - a), field);
			}

			await page.selectOption('.mz-toolbar select[aria-label=Network]', 'guest');
			await page.fill('.mz-toolbar input', 'HOST-2');
			const shown = (await table(page)).map(row => row.name);
			assert.ok(shown.length && shown.every(name => /host-2/.test(name)));
			assert.match(await text(page, '.mz-count'), /^\d+ of 30 devices/);

			await page.reload();
			await page.waitForSelector('.mz-hosts tbody tr');
			assert.deepEqual((await table(page)).map(row => row.name).sort(), shown.sort());
			assert.equal(await page.$eval('th.mz-packets', th => th.getAttribute('aria-sort')), 'descending');

			await page.click('.mz-count button');
			assert.equal((await table(page)).length, 30);
		});
	});

	test('a row opens the host, by keyboard too, and stays open while rows move', async () => {
		daemon();
		await with_({ store: { sort: 'name', descending: false } }, async page => {
			const opener = page.locator('.mz-hosts tbody button', { hasText: 'annas-laptop' });

			await opener.focus();
			await page.keyboard.press('Enter');

			const detail = page.locator('.mz-detail');
			const id = await opener.getAttribute('aria-controls');

			assert.equal(await opener.getAttribute('aria-expanded'), 'true');
			assert.equal(await detail.getAttribute('id'), id);
			assert.match(await detail.textContent(), /a4:5e:60:01:00:01/);
			assert.match(await detail.textContent(), /IPv4.*IPv6.*10\.1\.0\.3.*2001:db8:1::11/s);
			assert.equal(await until(() => detail.locator('.mz-area').count()), 1);

			await page.click('.mz-hosts th.mz-down button');
			await opener.focus();
			for (let i = 0; i < 5; i++)
				await poll(page);

			assert.equal(await page.evaluate(() => document.activeElement.textContent), 'annas-laptop');
			assert.equal(await page.$eval('.mz-detail', node => node.previousElementSibling.querySelector('bdi').textContent), 'annas-laptop');

			await page.keyboard.press('Enter');
			assert.equal(await detail.count(), 0);
		});
	});

	test('bits or bytes', async () => {
		daemon();
		await with_({}, async page => {
			assert.match(await text(page, '#mz-down b'), /bit\/s$/);
			await page.selectOption('select[aria-label="Unit of rates"]', 'Bytes');
			assert.match(await text(page, '#mz-down b'), /[kMG]?B\/s$/);
			assert.ok((await table(page)).every(row => row.down == '–' || /B\/s$/.test(row.down)));
			await page.reload();
			await page.waitForSelector('.mezoura');
			assert.match(await text(page, '#mz-down b'), /B\/s$/);
		});
	});

	test('downloads hold what is shown', async () => {
		daemon();
		await with_({ store: { sort: 'name', descending: false, text: 'phone' } }, async page => {
			const fetch = async label => {
				const [ download ] = await Promise.all([ page.waitForEvent('download'), page.click('.mz-toolbar button:has-text("' + label + '")') ]);
				return { name: download.suggestedFilename(), content: await readFile(await download.path(), 'utf8') };
			};
			const shown = await table(page), csv = await fetch('CSV'), json = await fetch('JSON');

			assert.match(csv.name, /^mezoura-[\dT-]+\.csv$/);
			assert.deepEqual(csv.content.trim().split('\r\n').slice(1).map(line => line.split(',')[0]), shown.map(row => row.name));
			assert.deepEqual(JSON.parse(json.content).hosts.map(h => h.hostname), shown.map(row => row.name));
			assert.ok(JSON.parse(json.content).hosts[0].ipv6.download.bytes > 0);
		});
	});

	test('the chart is read by pointer, by keyboard and as a table', async () => {
		daemon();
		await with_({}, async page => {
			for (let i = 0; i < 3; i++)
				await poll(page);

			await page.waitForSelector('.mz-chart .mz-area', { state: 'attached' });

			const chart = page.locator('.mz-chart');
			const box = await chart.boundingBox();

			await page.mouse.move(box.x + box.width - 2, box.y + 50);
			assert.ok(await page.locator('.mz-tip').isVisible());
			assert.match(await text(page, '.mz-tip'), /backup-nas.*Mbit\/s/);
			await page.mouse.move(0, 0);
			assert.ok(!await page.locator('.mz-tip').isVisible());

			await chart.focus();
			await page.keyboard.press('End');
			const last = await chart.getAttribute('aria-valuetext');
			await page.keyboard.press('ArrowLeft');
			const before = await chart.getAttribute('aria-valuetext');

			assert.match(last, /^\d+:\d+:\d+ .*bit\/s; \u2068/);
			assert.notEqual(before, last);
			assert.ok(+await chart.getAttribute('aria-valuenow') <= 0);
			await page.keyboard.press('Escape');
			assert.ok(!await page.locator('.mz-tip').isVisible());

			await page.click('.mz-alternative summary');
			assert.match(await text(page, '.mz-alternative tr'), /Time.*backup-nas/);
			assert.ok(await page.$$eval('.mz-alternative td', cells => cells.length && cells.every(cell => /bit\/s/.test(cell.textContent))));
		});
	});

	test('nothing slides for those who asked for that', async () => {
		daemon();
		const sliding = (page) => page.evaluate(() => document.querySelector('.mz-chart').getAnimations({ subtree: true }).length);

		await with_({ reducedMotion: 'reduce' }, async page => {
			await page.waitForTimeout(2500);
			assert.equal(await sliding(page), 0);
		});
		await with_({}, async page => {
			await page.waitForTimeout(2500);
			assert.equal(await until(() => sliding(page)), 1);
		});
	});

	test('hostile names stay text', async () => {
		const names = [ '<img src=x onerror=alert(1)>', '"><script>alert(2)</script>', '\'"`&amp;<b>', '\u202egnp.exe', 'a\u2066b', '%s %d %h', 'x'.repeat(255), '__proto__', 'constructor', '=cmd|\'/C calc\'!A0' ];

		daemon({ names });
		await with_({}, async page => {
			for (let i = 0; i < 3; i++)
				await poll(page);

			for (const opener of await page.$$('.mz-hosts tbody button'))
				await opener.click();

			await page.locator('.mz-chart').first().hover();
			await page.click('.mz-alternative summary');
			await page.locator('.mz-detail button').first().click();
			assert.deepEqual((await table(page)).map(row => row.name).sort(), names.slice().sort());
			assert.equal(await page.$$eval('.mezoura img, .mezoura script, .mezoura b b, #modal_overlay img', nodes => nodes.length), 0);
			assert.ok(await page.$$eval('.mz-hosts bdi, .mz-legend bdi, .mz-tip bdi', nodes => nodes.every(node => getComputedStyle(node).unicodeBidi == 'isolate')));
			assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
		});
	});

	test('daemon stopped and started, access denied, router gone', async () => {
		daemon();
		await with_({}, async page => {
			const notice = () => text(page, '.mz-notices');

			assert.equal(await notice(), '');
			router.setDaemon(null);
			await poll(page);
			assert.match(await notice(), /not running.*System » Startup/);
			assert.equal(await page.getAttribute('.mz-notices a', 'href'), '/cgi-bin/luci/admin/system/startup');
			assert.equal((await table(page)).length, 15);

			router.setDaemon(fake.object());
			await poll(page);
			assert.equal(await notice(), '');

			router.setDaemon(async () => [ 7 ]);
			await poll(page);
			assert.match(await notice(), /did not answer/);

			await page.route('**/ubus/**', route => route.abort());
			await poll(page);
			assert.match(await notice(), /router does not answer/);
			await page.unroute('**/ubus/**');
			page.problems.length = 0;
		});

		await with_({ query: { session: sessions.stranger } }, async page => {
			assert.match(await text(page, '.mz-notices'), /Access denied/);
			assert.equal((await table(page)).length, 0);
		});
	});

	test('says what is wrong, and what to do', async () => {
		for (const [ status, wanted, not ] of [
			[ { offload: { hardware: true }, warnings: [ 'Hardware flow offloading is active: all numbers are incomplete.' ] }, /offloading is on.*Network » Firewall/s, /incomplete/ ],
			[ { table: { entries: 4090, capacity: 4096 }, warnings: [ 'The table of addresses is nearly full (4090 of 4096): raise option table_size.' ] }, /table of addresses is full.*Settings/s, /nearly/ ],
			[ { attachments: [ { device: 'lan1', network: 'lan', mode: 'tcx' }, { device: 'wg0', network: 'wg', mode: 'waiting', error: 'no such device' } ], warnings: [ 'Device wg0 does not exist; it is counted as soon as it does.' ] }, /Some devices.*wg0 \(wg: no such device\)/s, /does not exist/ ],
			[ { attachments: [ { device: 'lan1', network: 'lan', mode: 'waiting' } ] }, /Nothing is being counted/, /Some/ ],
			[ { networks: [], attachments: [] }, /No network is selected/, /^$/ ],
			[ { config_error: 'mezoura: option interval: <b>x</b>', warnings: [ 'The configuration has errors and was not read' ] }, /option interval: <b>x<\/b>/, /was not read/ ],
			[ { warnings: [ 'Totals are not saved: disk full.' ] }, /Totals are not saved: disk full\./, /^$/ ]
		]) {
			daemon().overrides = status;
			await with_({}, async page => {
				assert.match(await text(page, '.mz-notices'), wanted);
				assert.doesNotMatch(await text(page, '.mz-notices'), not);
			});
		}

		daemon({ hosts: 0 });
		await with_({}, async page => assert.match(await text(page, '.mz-notices'), /No device seen yet/));
	});

	test('unattributed traffic is told with its reasons', async () => {
		daemon();
		await with_({}, async page => assert.equal(await text(page, '.mezoura > p.mz-muted'), 'Counted, but of no device listed: 48.2 MB down, 1.20 MB up (multicast 48.0 MB, address of no watched network 1.43 MB)'));
	});

	test('a reply in pages is read to its end', async () => {
		daemon({ hosts: 70, pageSize: 20 });
		await with_({}, async page => {
			assert.equal((await table(page)).length, 70);
			assert.deepEqual(router.calls.filter(c => c.method == 'stats').slice(0, 4).map(c => c.args.offset), [ undefined, 20, 40, 60 ]);
		});
	});

	test('who may only read sees nothing that would fail', async () => {
		daemon();
		await with_({ query: { session: sessions.reader } }, async page => {
			await page.locator('.mz-hosts tbody button').first().click();
			assert.equal((await table(page)).length, 15);
			assert.equal(await page.locator('.mz-reset').count(), 0);
		});
		await with_({ view: 'mezoura/settings', query: { session: sessions.reader } }, async page => {
			assert.ok(await page.$$eval('.cbi-page-actions button', buttons => buttons.every(button => button.disabled)));
		});
	});

	test('reset: all, and one', async () => {
		daemon();
		await with_({}, async page => {
			await page.click('.mz-toolbar .mz-reset');
			await page.click('.modal button:has-text("Cancel")');
			assert.equal(router.calls.filter(c => c.method == 'reset').length, 0);

			await page.locator('.mz-hosts tbody button', { hasText: 'ps5' }).click();
			await page.click('.mz-detail .mz-reset');
			assert.match(await text(page, '.modal'), /ps5/);
			await page.click('.modal .important');
			await page.waitForFunction(() => !document.body.classList.contains('modal-overlay-active'));
			assert.equal(router.calls.find(c => c.method == 'reset').args.host, 'a4:5e:60:01:00:02');
			assert.ok(fake.hosts[2].down < 2e7 && fake.hosts[0].down > 1e6);

			await page.click('.mz-toolbar .mz-reset');
			await page.click('.modal .important');
			await page.waitForFunction(() => !document.body.classList.contains('modal-overlay-active'));
			assert.equal(router.calls.filter(c => c.method == 'reset')[1].args.host, undefined);
		});
	});

	test('settings: validated, saved and applied', async () => {
		daemon();
		await with_({ view: 'mezoura/settings' }, async page => {
			if (process.env.LUCI_TREE)
				return;

			const field = (name) => page.locator('[data-name=' + name + '] :is(input, textarea, select)');

			await field('expire').fill('never');
			await page.click('.cbi-button-save');
			await page.waitForTimeout(200);
			assert.match(await text(page, '[data-name=expire] [role=alert]'), /duration/);
			assert.equal(uci.log.length, 0);
			page.problems.length = 0;

			await field('expire').fill('7d');
			await field('internal_add').fill('203.0.113.0/24\n2001:db8::/32');
			await field('network').selectOption([ 'lan', 'guest' ]);
			await page.click('[data-tab=names] a');
			await field('name').fill('big tv');
			await page.click('[data-tab=publishing] a');
			await field('exporter').check();
			await page.click('.cbi-button-apply');
			await page.waitForTimeout(500);
			await until(() => uci.saved.mezoura[0].expire);
			assert.deepEqual(uci.saved.mezoura.map(s => ({ ...s })), [
				{ '.name': 'main', '.type': 'mezoura', enabled: '1', network: [ 'lan', 'guest' ], table_size: '4096', expire: '7d', internal_add: [ '203.0.113.0/24', '2001:db8::/32' ], exporter: '1' },
				{ '.name': 'tv', '.type': 'alias', name: 'big tv', mac: [ '00:11:22:33:44:55' ] }
			]);
		});
	});

	test('the overview has the five busiest', async () => {
		daemon();
		await with_({}, async page => {
			const render = () => page.evaluate(async () => {
				const card = await L.require('view.status.include.55_mezoura'), node = card.render(await card.load());
				document.querySelector('#view').replaceChildren(...(node ? [ node ] : []));
				return node?.textContent;
			});

			await render();
			assert.equal(await page.$$eval('.mz-card bdi', names => names.length), 5);
			const busiest = fake.hosts.slice().sort((a, b) => b.downRate + b.upRate - a.downRate - a.upRate).slice(0, 5).map(h => h.hostname);
			assert.deepEqual(await page.$$eval('.mz-card bdi', names => names.map(n => n.textContent)), busiest);
			await page.waitForTimeout(200);
			await page.screenshot({ path: path.join(shots, 'card.png'), clip: { x: 0, y: 90, width: 1280, height: 260 } });

			router.setDaemon(null);
			assert.match(await render(), /not running/);
			page.problems.length = 0;
		});
		daemon();
		await with_({ query: { session: sessions.stranger } }, async page => {
			assert.equal(await page.evaluate(async () => { const card = await L.require('view.status.include.55_mezoura'); return card.render(await card.load()); }), null);
		});
	});

	/* LuCI looks translations up by hash, which the router does not make */
	test('speaks five more languages', { skip: !!process.env.LUCI_TREE }, async () => {
		for (const [ lang, title, device ] of [ [ 'de', 'Internetnutzung', '15 Geräte' ], [ 'fr', 'Utilisation d’Internet', '15 appareils' ], [ 'es', 'Uso de Internet', '15 dispositivos' ], [ 'pt-br', 'Uso da internet', '15 dispositivos' ], [ 'zh-cn', '互联网用量', '15 台设备' ] ]) {
			daemon();
			await with_({ query: { lang } }, async page => {
				assert.equal(await text(page, '.mezoura h2'), title);
				assert.equal(await text(page, '.mz-count span'), device);
			});
		}
	});
});
