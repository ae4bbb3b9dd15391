// SPDX-License-Identifier: GPL-2.0-only

/*
 * Stand-in for LuCI's runtime, for tests: the modules baseclass, dom, poll, request, rpc, ui and view, limited to what the page calls, and
 * faithful in what it can notice: classes are instantiated once and found by name; E() takes strings in arrays for text and others for markup;
 * rpc calls made in one frame leave in one request; errors have the words of rpc.js; poll ticks each second and waits for what it started.
 */

(() => {
	const env = {}, classes = {}, batch = [];
	let nextId = 1;

	class BaseClass {
		static extend(properties) {
			const Parent = this;
			const Extended = class extends Parent {};

			Object.assign(Extended.prototype, properties);

			return Extended;
		}

		constructor(...args) {
			this.__init__?.(...args);
		}
	}

	const elem = (e) => e != null && typeof(e) == 'object' && 'nodeType' in e;

	const dom = {
		elem,
		append(node, children) {
			if (Array.isArray(children))
				for (const child of children) {
					if (elem(child))
						node.appendChild(child);
					else if (child != null)
						node.appendChild(document.createTextNode(String(child)));
				}
			else if (elem(children))
				node.appendChild(children);
			else if (children != null)
				node.innerHTML = String(children);      /* as LuCI: the reason why the page passes arrays */
		},
		content(node, children) {
			node.textContent = '';
			dom.append(node, children);
		},
		attr(node, attributes) {
			for (const [ key, value ] of Object.entries(attributes)) {
				if (value == null)
					continue;
				if (typeof(value) == 'function')
					node.addEventListener(key, value);
				else
					node.setAttribute(key, typeof(value) == 'object' ? JSON.stringify(value) : value);
			}
		},
		create(name, attributes, children) {
			if (!(attributes instanceof Object) || Array.isArray(attributes))
				[ attributes, children ] = [ null, attributes ];

			const node = Array.isArray(name) ? document.createDocumentFragment() : elem(name) ? name : document.createElement(name);

			if (Array.isArray(name))
				dom.append(node, name);

			dom.attr(node, attributes ?? {});
			dom.append(node, children);

			return node;
		}
	};

	window.E = dom.create;

	const poll = {
		queue: [],
		add(fn, interval) {
			this.queue.push({ fn, interval: (interval || env.pollinterval) >>> 0, ready: true });
			if (this.tick != null && !this.active())
				this.start();
			return true;
		},
		start() {
			if (this.active())
				return false;
			this.tick = 0;
			if (this.queue.length) {
				this.timer = setInterval(() => this.step(), 1000);
				this.step();
				document.dispatchEvent(new CustomEvent('poll-start'));
			}
			return true;
		},
		stop() {
			if (!this.active())
				return false;
			document.dispatchEvent(new CustomEvent('poll-stop'));
			clearInterval(this.timer);
			delete this.timer;
			delete this.tick;
			return true;
		},
		step() {
			for (const entry of this.queue) {
				if (this.tick % entry.interval || !entry.ready)
					continue;
				entry.ready = false;
				Promise.resolve(entry.fn()).finally(() => entry.ready = true);
			}
			this.tick++;
		},
		active() {
			return this.timer != null;
		}
	};

	function raise(name, message) {
		const error = new Error(message);
		error.name = name;
		throw error;
	}

	function flush() {
		const calls = batch.splice(0);

		if (!calls.length)
			return;

		fetch(env.ubuspath + '?' + Date.now(), { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(calls.map(c => c.message)) })
			.then(response => response.ok ? response.json() : raise('RPCError', 'RPC call to ' + calls[0].message.params[1] + ' failed with HTTP error ' + response.status))
			.then(replies => calls.forEach((c, i) => c.resolve(replies[i])), () => calls.forEach(c => c.reject(new Error('XHR request aborted by browser'))));
	}

	const statusTexts = [ 'Command OK', 'Invalid command', 'Invalid argument', 'Method not found', 'Resource not found', 'No data received', 'Permission denied', 'Request timeout', 'Not supported', 'Unspecified error', 'Connection lost' ];

	const rpc = {
		declare(options) {
			return (...args) => new Promise((resolve, reject) => {
				const params = Object.fromEntries((options.params ?? []).map((name, i) => [ name, args[i] ]));
				const message = { jsonrpc: '2.0', id: nextId++, method: 'call', params: [ env.sessionid, options.object, options.method, params ] };

				batch.push({ message, resolve, reject });
				requestAnimationFrame(flush);
			}).then(reply => {
				const what = 'RPC call to ' + options.object + '/' + options.method + ' failed with ';

				if (reply.error)
					raise('RPCError', what + 'error ' + reply.error.code + ': ' + reply.error.message);

				if (options.reject && reply.result[0] !== 0)
					raise('RPCError', what + 'ubus code ' + reply.result[0] + ': ' + (statusTexts[reply.result[0]] ?? 'Unknown error code'));

				let result = (reply.result.length > 1) ? reply.result[1] : reply.result[0];

				for (const key in options.expect) {
					if (result != null && key != '')
						result = result[key];
					if (result == null || Object.prototype.toString.call(result) != Object.prototype.toString.call(options.expect[key]))
						result = options.expect[key];
					break;
				}

				return result;
			});
		}
	};

	const ui = {
		changes: { apply: () => classes.uci.apply() },
		createHandlerFn(context, fn, ...args) {
			return (ev) => {
				const target = ev.currentTarget;

				target.classList.add('spinning');
				target.disabled = true;
				Promise.resolve((typeof(fn) == 'string' ? context[fn] : fn).call(context, ...args, ev)).finally(() => {
					target.classList.remove('spinning');
					target.disabled = false;
				});
			};
		},
		showModal(title, children) {
			const overlay = document.querySelector('#modal_overlay') ?? document.body.appendChild(E('div', { id: 'modal_overlay' }, [ E('div', { 'class': 'modal', role: 'dialog', 'aria-modal': true }) ]));

			dom.content(overlay.firstChild, [ E('h4', [ title ]) ]);
			dom.append(overlay.firstChild, children);
			document.body.classList.add('modal-overlay-active');

			return overlay.firstChild;
		},
		hideModal() {
			document.body.classList.remove('modal-overlay-active');
		},
		addNotification(title, children, ...styles) {
			const node = E('div', { 'class': [ 'alert-message', ...styles ].join(' ') }, title ? [ E('h4', [ title ]) ] : []);

			dom.append(node, children);
			document.querySelector('#maincontent').prepend(node);

			return node;
		},
		instantiateView: (path) => L.require('view.' + path.replace(/\//g, '.'))
	};

	const View = BaseClass.extend({
		__init__() {
			const node = document.querySelector('#view');

			dom.content(node, E('div', { 'class': 'spinning' }, [ 'Loading view…' ]));

			Promise.resolve(this.load()).then(data => this.render(data)).then(nodes => {
				dom.content(node, nodes);

				if (this.handleSaveApply !== null)
					dom.append(node, this.addFooter());
			}).catch(error => { dom.content(node, E('pre', { 'class': 'alert-message error' }, [ String(error.stack) ])); throw error; });
		},
		load() {},
		handleSave: () => Promise.all(Array.from(document.querySelectorAll('.cbi-map'), map => map.mapInstance.save())),
		handleSaveApply() {
			return this.handleSave().then(() => ui.changes.apply());
		},
		addFooter() {
			const disabled = L.hasViewPermission() ? null : true;

			return E('div', { 'class': 'cbi-page-actions' }, [
				E('button', { 'class': 'btn cbi-button cbi-button-apply', disabled, click: ui.createHandlerFn(this, 'handleSaveApply') }, [ 'Save & Apply' ]), ' ',
				E('button', { 'class': 'btn cbi-button cbi-button-save', disabled, click: ui.createHandlerFn(this, 'handleSave') }, [ 'Save' ])
			]);
		}
	});

	Object.assign(classes, { baseclass: BaseClass, dom, poll, rpc, ui, view: View });

	window.LuCI = class {
		constructor(setenv) {
			Object.assign(env, setenv);
			this.env = env;
			document.addEventListener('poll-start', () => this.indicate('Refreshing', () => poll.active() ? poll.stop() : poll.start()));
			document.addEventListener('poll-stop', () => this.indicate('Paused'));
			document.addEventListener('DOMContentLoaded', () => poll.start());
		}

		indicate(text, click) {
			const node = document.querySelector('#indicators span') ?? document.querySelector('#indicators').appendChild(E('span', { 'data-indicator': 'poll-status', click }));

			node.textContent = text;
		}

		bind(fn, self, ...args) { return fn.bind(self, ...args); }
		isObject(value) { return value != null && typeof(value) == 'object'; }
		toArray(value) { return (value == null) ? [] : Array.isArray(value) ? value : typeof(value) == 'object' ? [ value ] : String(value).trim() ? String(value).trim().split(/\s+/) : []; }
		resolveDefault(value, fallback) { return Promise.resolve(value).catch(() => fallback); }
		resource(...parts) { return [ env.resource, ...parts ].join('/'); }
		url(...parts) { return [ env.scriptname, ...parts ].join('/'); }
		hasViewPermission() { return env.nodespec?.satisfied ? !env.nodespec.readonly : null; }

		require(name) {
			return classes[name] ? Promise.resolve(classes[name]) : classes[name] = fetch(env.resource + '/' + name.replace(/\./g, '/') + '.js')
				.then(response => response.ok ? response.text() : raise('NetworkError', 'HTTP error ' + response.status + ' while loading class file "' + name + '"'))
				.then(source => {
					const wanted = Array.from(source.matchAll(/^'require (\S+?)(?: as (\S+))?';$/gm), m => ({ name: m[1], as: m[2] ?? m[1].replace(/\W/g, '_') }));

					return Promise.all(wanted.map(w => this.require(w.name))).then(instances => {
						const factory = new Function('window', 'document', 'L', ...wanted.map(w => w.as), source + '\n//# sourceURL=' + name + '.js');

						return classes[name] = new (factory(window, document, this, ...instances))();
					});
				});
		}
	};
})();
