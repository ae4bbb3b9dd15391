// SPDX-License-Identifier: GPL-2.0-only

/*
 * Pictures of the page, for the README (UPDATE_DOCS=1 writes them to docs/) and for people to look at, and what a picture has to hold: nothing
 * wider than the screen, text that can be told from its ground.
 */

import test, { before, after } from 'node:test';
import assert from 'node:assert/strict';
import path from 'node:path';
import { copyFileSync } from 'node:fs';
import { startRouter } from '../lib/router.mjs';
import { FakeDaemon } from '../lib/fake.mjs';
import { translations } from '../lib/translations.mjs';
import { launch, open, shots } from '../lib/browser.mjs';

const docs = path.join(shots, '../../docs');
const scenes = {
	light: {}, dark: { dark: true }, phone: { width: 360, height: 780, deviceScaleFactor: 1 }, 'phone-dark': { width: 360, height: 780, dark: true },
	material: { query: { theme: 'material' } }, german: { query: { lang: 'de' } }, contrast: { forcedColors: 'active', dark: true }, tablet: { width: 800 }
};

let browser, router;

before(async () => {
	router = await startRouter({ translations });
	browser = await launch();
});

after(async () => {
	await browser?.close();
	await router?.close();
});

for (const [ name, options ] of Object.entries(scenes))
	test(name, async () => {
		const fake = new FakeDaemon({ start: 1790000000 });

		router.setDaemon(fake.object());

		const page = await open(browser, router, { height: 900, reducedMotion: 'reduce', ...options });

		await page.evaluate(async replies => {
			(await L.require('poll')).stop();
			const view = await L.require('view.mezoura.status'), { push } = view.store;
			let clock = 1790000000;

			view.store.push = function(stats) { push.call(this, stats, clock += 2); };
			replies.forEach(stats => view.update({ stats }));
			document.querySelector('#indicators')?.remove();
		}, Array.from({ length: 170 }, () => fake.stats({})));

		if (name == 'dark')
			await page.locator('.mz-hosts tbody button').nth(1).click();

		if (name == 'light')
			await page.locator('.mz-chart').hover({ position: { x: 820, y: 90 } });

		await page.waitForTimeout(400);
		await page.screenshot({ path: path.join(shots, name + '.png') });

		if (name.startsWith('phone')) {
			await page.locator('.mz-toolbar').scrollIntoViewIfNeeded();
			await page.locator('.mz-hosts tbody button').first().click();
			await page.evaluate(() => document.querySelector('.mz-toolbar').scrollIntoView());
			await page.waitForTimeout(200);
			await page.screenshot({ path: path.join(shots, name + '-table.png') });
		}

		assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'wider than the screen');
		assert.equal(await page.getAttribute('.mezoura', 'data-tone'), options.dark ? 'dark' : 'light');

		/* each area can be told from the ground and from its neighbours */
		const colors = await page.evaluate(() => {
			const context = Object.assign(document.createElement('canvas'), { width: 1, height: 1 }).getContext('2d', { willReadFrequently: true });
			const rgb = (color) => { context.fillStyle = color; context.fillRect(0, 0, 1, 1); return Array.from(context.getImageData(0, 0, 1, 1).data.slice(0, 3)); };

			return [ getComputedStyle(document.querySelector('.mezoura')).getPropertyValue('--mz-g'), ...Array.from(document.querySelector('.mz-chart').querySelectorAll('.mz-area path:first-child'), node => getComputedStyle(node).fill) ].map(rgb);
		});

		assert.equal(colors.length, 10);
		colors.forEach((a, i) => colors.slice(i + 1).forEach(b => assert.ok(Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]) > 30, name + ': too near: ' + a + ' and ' + b)));

		if (process.env.UPDATE_DOCS && [ 'light', 'dark', 'phone' ].includes(name))
			copyFileSync(path.join(shots, name + '.png'), path.join(docs, name + '.png'));

		await page.context().close();
	});
