// SPDX-License-Identifier: GPL-2.0-only

/*
 * A router as far as the page can tell: serves the files, and answers /ubus as uhttpd and rpcd do. Who may call what is read from the
 * application's own ACL file. Objects are functions (method, args) -> Promise of [ubus code, reply]; mezoura's is either the fake daemon or a
 * bridge to the real one. Listens on loopback only.
 */

import http from 'node:http';
import { readFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const app = path.join(here, '..', '..');
const acls = JSON.parse(readFileSync(path.join(app, 'root/usr/share/rpcd/acl.d/luci-app-mezoura.json'), 'utf8'));
const menu = JSON.parse(readFileSync(path.join(app, 'root/usr/share/luci/menu.d/luci-app-mezoura.json'), 'utf8'));

export const sessions = {
	admin: '0'.repeat(31) + '1',          /* read and write */
	reader: '0'.repeat(31) + '2',         /* read only */
	stranger: '0'.repeat(31) + '3'        /* logged in, without a right to this application */
};

const rights = { [sessions.admin]: [ 'read', 'write' ], [sessions.reader]: [ 'read' ], [sessions.stranger]: [] };

/* rpcd matches objects and functions with fnmatch(3); the file has no pattern but a star */
const fits = (pattern, text) => new RegExp('^' + pattern.split('*').map(part => part.replace(/[\\^$.|?+()[\]{}]/g, '\\$&')).join('.*') + '$').test(text);

export function allowed(sid, scope, object, method) {
	for (const group of Object.values(acls))
		for (const right of rights[sid] ?? []) {
			const list = group[right]?.[scope] ?? {};

			if (Array.isArray(list) ? list.some(o => fits(o, object) && right == method) : Object.entries(list).some(([ o, ms ]) => fits(o, object) && ms.some(m => fits(m, method))))
				return true;
		}

	return false;
}

/* What LuCI itself may call, whatever the application. */
const luci = {
	session: (method, { ubus_rpc_session: sid, scope, object, function: fn }) => [ 0, { access: object == 'luci' ? rights[sid] != null : allowed(sid, scope ?? 'ubus', object, fn) } ],
	luci: () => [ 0, {} ],
	file: () => [ 0, { entries: [] } ],
	'luci-rpc': () => [ 0, {} ],
	network: () => [ 0, {} ],
	'network.interface': () => [ 0, { interface: [] } ],
	'network.device': () => [ 0, {} ]
};

const types = { '.js': 'text/javascript', '.css': 'text/css', '.html': 'text/html; charset=utf-8', '.svg': 'image/svg+xml', '.png': 'image/png' };

function page(options, view, session, theme, lang, dark) {
	const node = Object.entries(menu).find(([ , n ]) => n.action.path == view)?.[1] ?? {};
	const readonly = !(rights[session] ?? []).includes('write');
	const env = {
		media: '/luci-static/' + theme, resource: '/luci-static/resources', scriptname: '/cgi-bin/luci', pathinfo: '/admin/status/mezoura',
		documentroot: '/www', requestpath: [ 'admin', 'status', 'mezoura' ], dispatchpath: [ 'admin', 'status', 'mezoura', 'usage' ],
		pollinterval: 5, ubuspath: '/ubus/', sessionid: session, token: 'x', nodespec: { ...node, satisfied: true, ...(readonly ? { readonly } : {}) },
		apply_rollback: 90, apply_holdoff: 1, apply_timeout: 5, apply_display: 0.5
	};

	return '<!DOCTYPE html><html lang="' + lang + '"' + (dark ? ' data-darkmode="true"' : '') + '><head><meta charset="utf-8"><title>Router</title>' +
		'<meta name="viewport" content="width=device-width, initial-scale=1">' +
		'<link rel="icon" href="data:,">' +
		'<link rel="stylesheet" href="/luci-static/' + theme + '/cascade.css">' +
		(options.custom ?? []).map(file => '<link rel="stylesheet" href="' + file + '">').join('') +
		'<script src="/translations.js?lang=' + lang + '"></script>' +
		'<script src="/luci-static/resources/cbi.js"></script></head>' +
		'<body class="lang_' + lang + '" data-page="admin-status-mezoura"><header><div class="fill"><div class="container"><a class="brand" href="/">Router</a>' +
		'<ul class="nav" id="topmenu"></ul><div id="indicators" class="pull-right status"></div></div></div></header>' +
		'<div class="main"><div class="main-right"><div id="maincontent" class="container">' +
		'<div id="tabmenu"><ul class="tabs cbi-tabmenu"><li class="active cbi-tab"><a href="/">Usage</a></li><li class="cbi-tab-disabled"><a href="/?view=mezoura/settings">Settings</a></li></ul></div>' +
		'<script src="/luci-static/resources/luci.js"></script><script>L = new LuCI(' + JSON.stringify(env) + ');</script>' +
		'<div id="view"><script>L.require("ui").then(function(ui) { ui.instantiateView(' + JSON.stringify(view) + '); });</script></div>' +
		'</div></div></div></body></html>';
}

/*
 * options: daemon (the object mezoura, or null for an object that is not there), uci (object), tree (a checkout of LuCI to run on, instead of
 * the stand-in under runtime/), translations (lang -> source text of a script that sets window.TR).
 * Returns { url(view, {session, theme, lang, dark}), calls (every ubus call made), setDaemon, close }.
 */
export async function startRouter(options) {
	const tree = options.tree ?? process.env.LUCI_TREE;
	const roots = [ path.join(app, 'htdocs') ];
	const calls = [];
	let daemon = options.daemon;

	if (tree)
		roots.push(...[ 'modules/luci-base', 'modules/luci-mod-status', 'themes/luci-theme-bootstrap', 'themes/luci-theme-material' ].map(m => path.join(tree, m, 'htdocs')));
	else
		roots.push(path.join(here, '..', 'runtime'));

	async function call(request) {
		const reply = { jsonrpc: '2.0', id: request.id };
		const error = (code, message) => ({ ...reply, error: { code, message } });

		if (request.method == 'list')
			return { ...reply, result: {} };

		const [ sid, object, method, args ] = request.params;

		calls.push({ object, method, args, time: Date.now() });

		/* as uhttpd: first whether there is such an object, then whether the session may call it */
		const target = (object == 'mezoura') ? daemon : (object == 'uci') ? options.uci : luci[object];

		if (!target)
			return error(-32000, 'Object not found');

		if (!luci[object] && object != 'uci' && !allowed(sid, 'ubus', object, method))
			return error(-32002, 'Access denied');

		if (object == 'uci' && args.config && !allowed(sid, 'uci', args.config, [ 'get', 'state' ].includes(method) ? 'read' : 'write') && args.config == 'mezoura')
			return { ...reply, result: [ 6 ] };

		const [ code, data ] = await target(method, { ...args, ubus_rpc_session: sid });

		return { ...reply, result: (data === undefined) ? [ code ] : [ code, data ] };
	}

	const server = http.createServer(async (request, response) => {
		const url = new URL(request.url, 'http://router');
		const send = (status, type, body) => response.writeHead(status, { 'Content-Type': type, 'Cache-Control': 'no-store' }).end(body);

		try {
			if (request.method == 'POST' && url.pathname.replace(/\/$/, '').endsWith('/ubus')) {
				let body = '';
				for await (const part of request)
					body += part;

				const message = JSON.parse(body);
				return send(200, 'application/json', JSON.stringify(Array.isArray(message) ? await Promise.all(message.map(call)) : await call(message)));
			}

			if (url.pathname == '/' || url.pathname.startsWith('/cgi-bin/luci/admin/status')) {
				const q = url.searchParams;
				return send(200, types['.html'], page(options, q.get('view') ?? 'mezoura/status', q.get('session') ?? sessions.admin, q.get('theme') ?? 'bootstrap', q.get('lang') ?? 'en', q.get('dark') == '1'));
			}

			if (url.pathname == '/translations.js')
				return send(200, types['.js'], options.translations?.(url.searchParams.get('lang')) ?? '');

			for (const root of roots) {
				const file = path.join(root, path.normalize(url.pathname));

				try {
					return send(200, types[path.extname(file)] ?? 'application/octet-stream', await readFile(file));
				}
				catch (e) {
					if (e.code != 'ENOENT' && e.code != 'EISDIR')
						throw e;
				}
			}

			send(404, 'text/plain', 'not found');
		}
		catch (e) {
			send(500, 'text/plain', String(e.stack));
		}
	});

	await new Promise(resolve => server.listen(options.port ?? 0, '127.0.0.1', resolve));

	return {
		calls,
		origin: 'http://127.0.0.1:' + server.address().port,
		url(view, query) {
			return this.origin + '/?' + new URLSearchParams({ view: view ?? 'mezoura/status', ...(query ?? {}) });
		},
		setDaemon: (object) => daemon = object,
		close: () => new Promise(resolve => { server.close(resolve); server.closeAllConnections(); })
	};
}
