// SPDX-License-Identifier: GPL-2.0-only

/* Debian's chromium, and what the tests ask a page. */

import { chromium } from 'playwright-core';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { mkdirSync } from 'node:fs';

const here = path.dirname(fileURLToPath(import.meta.url));
export const shots = process.env.SHOTS ?? path.join(here, '..', 'shots');

mkdirSync(shots, { recursive: true });

export const launch = () => chromium.launch({
	executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
	args: [ '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
		'--enable-precise-memory-info', '--js-flags=--expose-gc' ]
});

/* Opens a view. The page must ask for nothing but what the router serves, and say nothing to the console. */
export async function open(browser, router, options = {}) {
	const { view, query, width, height, dark, store, ...context } = options;
	const session = await browser.newContext({ viewport: { width: width ?? 1280, height: height ?? 1000 }, colorScheme: dark ? 'dark' : 'light', acceptDownloads: true, ...context });
	const page = await session.newPage();

	page.problems = [];
	page.on('pageerror', error => page.problems.push('error: ' + error.message));
	page.on('console', message => [ 'error', 'warning' ].includes(message.type()) && !/Failed to load resource/.test(message.text()) && page.problems.push(message.text()));
	page.on('dialog', dialog => { page.problems.push('dialog: ' + dialog.message()); dialog.dismiss(); });
	page.on('request', request => request.url().startsWith(router.origin) || /^(data|blob):/.test(request.url()) || page.problems.push('request to ' + request.url()));

	if (store)
		await page.addInitScript(value => localStorage.getItem('mezoura') ?? localStorage.setItem('mezoura', value), JSON.stringify(store));

	await page.goto(router.url(view, { ...query, dark: dark ? '1' : '0' }));
	await page.waitForSelector(view == 'mezoura/settings' ? '.cbi-map' : '.mezoura[data-tone]');
	await page.waitForFunction(() => Array.from(document.querySelectorAll('link[rel=stylesheet]')).every(link => link.sheet));

	return page;
}

/* The table as texts: one object a row. */
export const table = (page) => page.$$eval('.mz-hosts > tbody > tr:not(.mz-detail)', rows => rows.map(row => Object.fromEntries(
	Array.from(row.cells, cell => [ /mz-(?!number)(\w+)/.exec(cell.className)[1], (cell.querySelector('bdi') ?? cell).textContent.replaceAll('\u00a0', ' ') ]))));

/* The text of the first element there, waited for: some of what a click does is done by events that come later (toggle of details). */
export const text = async (page, selector) => (await page.locator(selector).first().textContent()).replaceAll('\u00a0', ' ');

/* Sets off one poll now, and waits until it is shown. */
export const poll = (page) => page.evaluate(async () => {
	const view = await L.require('view.mezoura.status');
	view.update(await view.fetch());
});
