// SPDX-License-Identifier: GPL-2.0-only
'use strict';
'require baseclass';
'require rpc';

/* Stand-in for LuCI's uci.js, for tests: one configuration, changes kept here until save(), applied by apply(). */

const callGet = rpc.declare({ object: 'uci', method: 'get', params: [ 'config' ], expect: { values: {} }, reject: true });
const callSet = rpc.declare({ object: 'uci', method: 'set', params: [ 'config', 'section', 'values' ], reject: true });
const callAdd = rpc.declare({ object: 'uci', method: 'add', params: [ 'config', 'type', 'name', 'values' ], expect: { section: '' }, reject: true });
const callDelete = rpc.declare({ object: 'uci', method: 'delete', params: [ 'config', 'section', 'options' ], reject: true });
const callApply = rpc.declare({ object: 'uci', method: 'apply', params: [ 'timeout', 'rollback' ], reject: true });

return baseclass.extend({
	__init__() {
		this.values = {};
		this.changes = [];
	},

	load(name) {
		return callGet(name).then(values => { this.values[name] = values; });
	},

	sections(name, type) {
		return Object.values(this.values[name] ?? {}).filter(s => s['.type'] == type).sort((a, b) => a['.index'] - b['.index']);
	},

	get(name, section, option) {
		return this.values[name]?.[section]?.[option] ?? null;
	},

	set(name, section, option, value) {
		this.values[name][section][option] = value;
		this.changes.push(() => callSet(name, section, { [option]: value }));
	},

	unset(name, section, option) {
		if (this.get(name, section, option) == null)
			return;

		delete this.values[name][section][option];
		this.changes.push(() => callDelete(name, section, [ option ]));
	},

	add(name, type) {
		const section = 'new' + this.changes.length;

		this.values[name][section] = { '.name': section, '.type': type, '.index': 1000 + this.changes.length };
		this.changes.push(() => callAdd(name, type, section));

		return section;
	},

	remove(name, section) {
		delete this.values[name][section];
		this.changes.push(() => callDelete(name, section));
	},

	save() {
		return this.changes.splice(0).reduce((before, change) => before.then(change), Promise.resolve());
	},

	apply: () => callApply(10, true)
});
