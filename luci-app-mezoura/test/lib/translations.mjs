// SPDX-License-Identifier: GPL-2.0-only

/* The translations as a script that sets window.TR, as the stand-in's cbi.js looks them up. */

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from '../pot.mjs';

const po = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../po');
const folders = { de: 'de', fr: 'fr', es: 'es', 'pt-br': 'pt_BR', 'zh-cn': 'zh_Hans' };

export function translations(lang) {
	if (!folders[lang])
		return '';

	const { head, entries } = parse(readFileSync(path.join(po, folders[lang], 'mezoura.po'), 'utf8'));
	const all = {};

	for (const [ key, texts ] of entries) {
		const id = key.split('\u0004')[1];

		if (texts.length == 1 && !id.includes('%d device') && !id.includes('other device'))
			all[id] = texts[0];

		texts.forEach((text, i) => { all[id + '\u0002' + i] = text; });
	}

	return 'window.TR = ' + JSON.stringify(all) + '; TR.plural = (n) => ' + /plural=([^;]*);/.exec(head)[1] + ';';
}
