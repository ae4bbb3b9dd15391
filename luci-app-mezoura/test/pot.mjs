// SPDX-License-Identifier: GPL-2.0-only

/*
 * Makes po/templates/mezoura.pot out of the sources: the strings of _() and N_(), the titles of the menu and the description of the ACL, as
 * LuCI's own scanner does. `pot.mjs --check` writes nothing, and fails when the template or a translation is not up to date and complete;
 * `pot.mjs --merge` brings the translations' msgids up to date.
 */

import { readdirSync, readFileSync, writeFileSync, existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const app = path.join(path.dirname(fileURLToPath(import.meta.url)), '..');
const template = path.join(app, 'po/templates/mezoura.pot');

const languages = ['de', 'es', 'fr', 'pt_BR', 'zh_Hans'];
const header = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8"\n';

function files(folder, ending) {
	return readdirSync(folder, { recursive: true }).filter(name => name.endsWith(ending)).sort().map(name => path.join(folder, name));
}

/* Strings that are arguments of a call of one of the functions, in any file of JavaScript this application has. */
export function scan(source) {
	const found = [];
	const string = /'((?:[^'\\\n]|\\.)*)'/y;
	const call = /(?<![\w$.])(N_|_)\(/g;

	for (let m; (m = call.exec(source));) {
		const line = source.slice(0, m.index).split('\n').length;
		let at = call.lastIndex;
		const skip = (pattern) => { pattern.lastIndex = at; const r = pattern.exec(source); if (r) at = pattern.lastIndex; return r; };
		const text = () => {
			skip(/\s*/y);
			const r = skip(string);
			return r && r[1].replace(/\\u([0-9a-f]{4})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16))).replace(/\\(.)/g, '$1');
		};

		if (m[1] == 'N_') {
			skip(/[^,]*,/y);
			const id = text();
			skip(/\s*,/y);
			const plural = text();

			if (id == null || plural == null)
				throw new Error('line ' + line + ': N_() takes strings as they are');

			found.push({ id, plural, line });
		}
		else {
			const id = text();

			if (id == null)
				throw new Error('line ' + line + ': _() takes a string as it is');

			const context = skip(/\s*,/y) ? text() : null;
			found.push({ id, context, line });
		}
	}

	return found;
}

function collect() {
	const all = new Map();
	const add = (entry, file) => {
		const key = [ entry.context ?? '', entry.id ].join('\u0004');
		const known = all.get(key) ?? { ...entry, places: new Set() };

		known.plural ??= entry.plural;
		known.places.add('luci-app-mezoura/' + path.relative(app, file));
		all.set(key, known);
	};

	for (const file of files(path.join(app, 'htdocs'), '.js'))
		for (const entry of scan(readFileSync(file, 'utf8')))
			add(entry, file);

	for (const [ folder, field ] of [ [ 'menu.d', 'title' ], [ 'acl.d', 'description' ] ])
		for (const file of files(path.join(app, 'root/usr/share', folder == 'menu.d' ? 'luci' : 'rpcd', folder), '.json')) {
			const lines = readFileSync(file, 'utf8').split('\n');
			lines.forEach((text, i) => {
				const m = text.match(new RegExp('"' + field + '": "([^"]*)"'));
				if (m)
					add({ id: m[1], line: i + 1 }, file);
			});
		}

	return Array.from(all.values()).sort((a, b) => (a.id < b.id) ? -1 : (a.id > b.id) ? 1 : (a.context ?? '') < (b.context ?? '') ? -1 : 1);
}

const quote = (text) => '"' + text.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n') + '"';

function entry(e, texts, count) {
	return Array.from(e.places).map(place => '#: ' + place + '\n').join('') +
		(e.context ? 'msgctxt ' + quote(e.context) + '\n' : '') +
		'msgid ' + quote(e.id) + '\n' +
		(e.plural
			? 'msgid_plural ' + quote(e.plural) + '\n' + Array.from({ length: count }, (_, i) => 'msgstr[' + i + '] ' + quote(texts?.[i] ?? '') + '\n').join('')
			: 'msgstr ' + quote(texts?.[0] ?? '') + '\n');
}

/* msgid -> [translations], and what stands at the top. */
export function parse(text) {
	const entries = new Map();
	let head = '';

	for (const block of text.split(/\n\s*\n/)) {
		const fields = {};
		let field = null;

		for (const line of block.split('\n')) {
			const m = /^(msgid_plural|msgid|msgctxt|msgstr(?:\[\d\])?) (".*")$/.exec(line) ?? /^()(".*")$/.exec(line);

			if (!m)
				continue;

			field = m[1] || field;
			fields[field] = (fields[field] ?? '') + JSON.parse(m[2]);
		}

		if (fields.msgid === '')
			head = block.trim() + '\n';
		else if (fields.msgid != null)
			entries.set([ fields.msgctxt ?? '', fields.msgid ].join('\u0004'), Object.keys(fields).filter(k => k.startsWith('msgstr')).sort().map(k => fields[k]));
	}

	return { head, entries };
}

const placeholders = (text) => (text.match(/%[sd%]/g) ?? []).sort().join();

function main(mode) {
	const entries = collect(), problems = [];
	const wanted = header + '\n' + entries.map(e => entry(e, null, 2)).join('\n');

	if (mode != '--check')
		writeFileSync(template, wanted);
	else if (!existsSync(template) || readFileSync(template, 'utf8') != wanted)
		problems.push('po/templates/mezoura.pot is not up to date: make pot');

	for (const language of languages) {
		const file = path.join(app, 'po', language, 'mezoura.po');
		const { head, entries: known } = existsSync(file) ? parse(readFileSync(file, 'utf8')) : { head: '', entries: new Map() };
		const count = /nplurals=1/.test(head) ? 1 : 2;
		const key = (e) => [ e.context ?? '', e.id ].join('\u0004');

		if (mode == '--merge' && head)
			writeFileSync(file, head + '\n' + entries.map(e => entry(e, known.get(key(e)), count)).join('\n'));

		for (const e of entries) {
			const texts = known.get(key(e)) ?? [];

			if (texts.length != (e.plural ? count : 1) || texts.some(t => !t))
				problems.push('po/' + language + ': not translated: ' + e.id);
			else if (texts.some((t, i) => placeholders(t) != placeholders(i && e.plural ? e.plural : e.id)))
				problems.push('po/' + language + ': other placeholders than in: ' + e.id);
		}

		for (const k of known.keys())
			if (!entries.some(e => key(e) == k))
				problems.push('po/' + language + ': no longer in the sources: ' + k.replace('\u0004', ' '));
	}

	for (const problem of problems)
		console.error(problem);

	return problems.length && mode == '--check' ? 1 : 0;
}

if (process.argv[1] == fileURLToPath(import.meta.url))
	process.exitCode = main(process.argv[2]);
