// SPDX-License-Identifier: GPL-2.0-only

/* Loads a module of the page into node, as LuCI's loader does, with as much of a browser as the pure parts name. */

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const resources = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../htdocs/luci-static/resources');

class BaseClass {
	static extend(properties) {
		const Extended = class extends BaseClass {};
		Object.assign(Extended.prototype, properties);
		return Extended;
	}
}

export function load(name, lang = 'en', loaded = {}) {
	const source = readFileSync(path.join(resources, name.replace(/\./g, '/') + '.js'), 'utf8');
	const wanted = Array.from(source.matchAll(/^'require (\S+?)(?: as (\S+))?';$/gm), m => ({ name: m[1], as: m[2] ?? m[1] }));
	const instances = wanted.map(w => (w.name == 'baseclass') ? BaseClass : loaded[w.name] ??= load(w.name, lang, loaded));
	const document = { documentElement: { lang } };
	const L = { toArray: (v) => (v == null) ? [] : Array.isArray(v) ? v : [ v ] };
	const factory = new Function('window', 'document', 'L', '_', 'N_', ...wanted.map(w => w.as), source);

	return new (factory({}, document, L, (s) => s, (n, one, many) => n == 1 ? one : many, ...instances))();
}
