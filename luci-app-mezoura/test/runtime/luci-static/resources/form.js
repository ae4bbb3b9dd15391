// SPDX-License-Identifier: GPL-2.0-only
'use strict';
'require baseclass';
'require uci';

/*
 * Stand-in for LuCI's form.js, for tests: a map of one section with tabs, options of the kinds that the settings use, a table of sections
 * within a tab. Options are written when they are valid, differ, and their dependencies hold, as LuCI does; an empty one is removed.
 */

const checks = {
	cidr: (v) => /^[0-9a-fA-F:.]+\/\d+$/.test(v),
	macaddr: (v) => /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(v),
	ipaddr: (v) => /^[0-9a-fA-F:.]+$/.test(v),
	port: (v) => /^\d+$/.test(v) && v > 0 && v < 65536,
	range: (v, low, high) => /^\d+$/.test(v) && +v >= low && +v <= high,
	maxlength: (v, n) => v.length <= n
};

class Option {
	constructor(map, section, name, title, help) {
		Object.assign(this, { map, section, option: name, title, help, conditions: [], choices: [], rmempty: true });
	}

	value(key, label) {
		this.choices.push([ key, label ?? key ]);
	}

	depends(option, value) {
		this.conditions.push([ option, value ]);
	}

	cfgvalue(id) {
		return uci.get(this.map.config, id, this.option) ?? this.default ?? null;
	}

	render(id) {
		this.inputs ??= {};
		this.inputs[id] = this.widget(this.cfgvalue(id));

		return E('div', { 'class': 'cbi-value', 'data-name': this.option }, [
			E('label', { 'class': 'cbi-value-title' }, [ this.title ]),
			E('div', { 'class': 'cbi-value-field' }, [ this.inputs[id], this.help ? E('div', { 'class': 'cbi-value-description' }, [ this.help ]) : '', E('div', { 'class': 'mz-error', role: 'alert' }) ])
		]);
	}

	widget(value) {
		return E('input', { 'class': 'cbi-input-text', value: value ?? '', placeholder: this.placeholder });
	}

	formvalue(id) {
		return this.inputs[id].value.trim();
	}

	problem(id, value) {
		const [ , type, args ] = /^(\w+)(?:\((.*)\))?$/.exec(this.datatype ?? '') ?? [];
		const said = this.validate?.(id, value) ?? true;

		if (said !== true)
			return said;
		if (!value.length)
			return this.rmempty ? '' : 'Expecting: non-empty value';

		return (type && ![].concat(value).every(v => checks[type](v, ...(args ?? '').split(',')))) ? 'Expecting: ' + type : '';
	}

	save(id) {
		const value = this.formvalue(id), active = this.conditions.every(([ o, v ]) => this.section.find(o).formvalue(id) == v);
		const problem = active ? this.problem(id, value) : '';

		this.inputs[id].parentNode.lastChild.textContent = problem;

		if (problem)
			throw new TypeError(this.title + ': ' + problem);

		if (!active || !value.length || (this.rmempty && value === this.default))
			uci.unset(this.map.config, id, this.option);
		else if (String(value) != String(uci.get(this.map.config, id, this.option)))
			uci.set(this.map.config, id, this.option, value);
	}
}

class Flag extends Option {
	widget(value) {
		const box = E('input', { type: 'checkbox' });
		box.checked = (value == '1');
		return box;
	}

	formvalue(id) {
		const value = this.inputs[id].checked ? '1' : '0';
		return (value == '0' && this.default != '1') ? '' : value;
	}
}

class DynamicList extends Option {
	widget(value) {
		return E('textarea', { rows: 2, placeholder: this.placeholder }, [ L.toArray(value).join('\n') ]);
	}

	formvalue(id) {
		return L.toArray(this.inputs[id].value);
	}
}

class MultiValue extends Option {
	widget(value) {
		return E('select', { multiple: true }, this.choices.map(([ key, label ]) => E('option', { value: key, selected: L.toArray(value).includes(key) || null }, [ label ])));
	}

	formvalue(id) {
		return Array.from(this.inputs[id].selectedOptions, o => o.value);
	}
}

class SectionValue {
	constructor(map, section, name, type, ...args) {
		this.option = name;
		this.subsection = new type(map, ...args);
	}

	render() {
		return this.subsection.render();
	}

	save() {
		this.subsection.save();
	}
}

class Section {
	constructor(map, id) {
		Object.assign(this, { map, id, tabs: [], options: [] });
	}

	tab(name, title) {
		this.tabs.push([ name, title ]);
	}

	taboption(tab, type, ...args) {
		const option = new type(this.map, this, ...args);

		this.options.push(option);
		option.tab = tab;

		return option;
	}

	option(type, ...args) {
		return this.taboption(null, type, ...args);
	}

	find(name) {
		return this.options.find(o => o.option == name);
	}
}

class NamedSection extends Section {
	render() {
		const panes = this.tabs.map(([ name ]) => E('div', { 'data-tab': name }, this.options.filter(o => o.tab == name).map(o => o.render(this.id))));
		const open = (i) => panes.forEach((pane, n) => pane.style.display = (n == i) ? '' : 'none');

		open(0);

		return E('div', { 'class': 'cbi-section' }, [
			E('ul', { 'class': 'cbi-tabmenu' }, this.tabs.map(([ name, title ], i) => E('li', { 'data-tab': name }, [ E('a', { href: '#', click: (ev) => { ev.preventDefault(); open(i); } }, [ title ]) ]))),
			...panes
		]);
	}

	save() {
		this.options.forEach(o => o.save(this.id));
	}
}

class TableSection extends Section {
	constructor(map, type, title, help) {
		super(map);
		Object.assign(this, { type, title, help, node: E('div') });
	}

	render() {
		const ids = uci.sections(this.map.config, this.type).map(s => s['.name']);

		this.node.replaceChildren(
			E('h3', [ this.title ]), E('p', [ this.help ]),
			...ids.map(id => E('div', { 'class': 'cbi-section-node', 'data-section-id': id }, [
				...this.options.map(o => o.render(id)),
				E('button', { 'class': 'btn cbi-button-remove', click: () => { uci.remove(this.map.config, id); this.render(); } }, [ 'Delete' ])
			])),
			E('button', { 'class': 'btn cbi-button-add', click: () => { uci.add(this.map.config, this.type); this.render(); } }, [ 'Add' ]));

		return this.node;
	}

	save() {
		for (const { '.name': id } of uci.sections(this.map.config, this.type))
			this.options.forEach(o => o.save(id));
	}
}

class Map {
	constructor(config, title, help) {
		Object.assign(this, { config, title, help, sections: [] });
	}

	section(type, ...args) {
		const section = new type(this, ...args);

		this.sections.push(section);

		return section;
	}

	render() {
		const node = E('div', { 'class': 'cbi-map', id: 'cbi-' + this.config }, [ E('h2', [ this.title ]), E('div', { 'class': 'cbi-map-descr' }, [ this.help ]), ...this.sections.map(s => s.render()) ]);

		node.mapInstance = this;

		return Promise.resolve(node);
	}

	save() {
		this.sections.forEach(s => s.save());

		return uci.save();
	}
}

return baseclass.extend({ Map, NamedSection, TableSection, SectionValue, Value: Option, Flag, DynamicList, MultiValue });
