// SPDX-License-Identifier: GPL-2.0-only

/* rpcd's uci object over one configuration in memory: what LuCI's form and uci modules call, with changes staged until apply. */

export class FakeUci {
	/* config: { package: [ { '.name', '.type', option: value } ] } */
	constructor(config) {
		this.saved = structuredClone(config);
		this.staged = structuredClone(config);
		this.log = [];
		this.next = 1;
	}

	values(name) {
		return Object.fromEntries((this.staged[name] ?? []).map((section, i) => [ section['.name'], { '.anonymous': /^cfg/.test(section['.name']), '.index': i, ...section } ]));
	}

	object() {
		const section = (args) => this.staged[args.config]?.find(s => s['.name'] == args.section);
		const note = (args, change) => { this.log.push([ args.config, change ]); return [ 0 ]; };
		const methods = {
			get: (args) => this.staged[args.config] ? [ 0, { values: this.values(args.config) } ] : [ 4 ],
			changes: () => [ 0, { changes: this.log.reduce((all, [ name, change ]) => ({ ...all, [name]: (all[name] ?? []).concat([ change ]) }), {}) } ],
			add: (args) => {
				const name = args.name ?? 'cfg0' + this.next++ + '4d';
				this.staged[args.config].push({ '.name': name, '.type': args.type, ...args.values });
				note(args, [ 'add', name, args.type ]);
				return [ 0, { section: name } ];
			},
			set: (args) => {
				Object.assign(section(args), args.values);
				for (const [ option, value ] of Object.entries(args.values))
					note(args, [ 'set', args.section, option, String(value) ]);
				return [ 0 ];
			},
			delete: (args) => {
				if (args.options)
					for (const option of args.options)
						delete section(args)[option];
				else
					this.staged[args.config] = this.staged[args.config].filter(s => s['.name'] != args.section);
				return note(args, [ 'remove', args.section ]);
			},
			order: () => [ 0 ],
			apply: () => { this.saved = structuredClone(this.staged); this.log = []; return [ 0 ]; },
			confirm: () => [ 0 ]
		};

		return async (method, args) => methods[method] ? methods[method](args) : [ 3 ];
	}
}
