// SPDX-License-Identifier: GPL-2.0-only
'use strict';
'require baseclass';
'require mezoura.model as model';

/* What is wrong, and what to do about it, in plain words above the numbers: [ kind, title, text ]. */

const link = (label, path) => E('a', { href: L.url(path) }, [ label ]);
const settings = () => link(_('Settings'), 'admin/status/mezoura/settings');

const failures = {
	stopped: () => [ 'error', _('Mezoura is not running'),
		model.fill(_('Start it under %s (service “mezoura”), or with “service mezoura start”. This page goes on by itself.'), link(_('System » Startup'), 'admin/system/startup')) ],
	denied: () => [ 'error', _('Access denied'), [ _('Your account may not read the traffic of this network.') ] ],
	error: () => [ 'error', _('Mezoura did not answer'), [ _('It may be starting or overloaded. The system log says more.') ] ],
	unreachable: () => [ 'warning', _('The router does not answer'), [ _('Trying again every two seconds. The numbers below are the last ones received.') ] ]
};

function statusNotices(status, stats) {
	const out = [], { entries, capacity } = status.table || {}, said = [];
	const attachments = L.toArray(status.attachments), waiting = attachments.filter(a => a.error || a.mode == 'waiting');

	/* pattern: the daemon's own sentence that says the same */
	const add = (kind, title, text, pattern) => { out.push([ kind, title, text ]); said.push(pattern); };

	if (status.config_error)
		add('error', _('The configuration has an error'),
			[ status.config_error, ' ', ...model.fill(_('Until it is corrected under %s, the previous settings stay in force.'), settings()) ], /^The configuration/);

	if (status.offload?.hardware)
		add('warning', _('Hardware flow offloading is on'),
			model.fill(_('Offloaded traffic never reaches the processor, so the numbers are too low. To count everything, turn it off under %s.'), link(_('Network » Firewall'), 'admin/network/firewall')), /^Hardware/);

	if (waiting.length)
		add(...(waiting.length == attachments.length) ? [ 'error', _('Nothing is being counted') ] : [ 'warning', _('Some devices are not watched yet') ],
			[ _('Their traffic is not counted: %s').format(waiting.map(a => a.device + ' (' + [ a.network, a.error ].filter(Boolean).join(': ') + ')').join(', ')) ], { test: (text) => waiting.some(a => text.includes(a.device)) });
	else if (status.networks && !L.toArray(status.networks).length)
		add('error', _('No network is selected'), model.fill(_('Choose the networks to watch under %s.'), settings()), /^No network/);

	if (capacity && entries >= capacity * 0.95)
		add('warning', _('The table of addresses is full'),
			model.fill(_('Traffic of further addresses is counted, but of no device. Make the table larger under %s.'), settings()), /table_size/);

	if (stats && !stats.hosts.length && !out.length)
		add('notice', _('No device seen yet'), [ _('As soon as a device uses the internet, it appears here.') ], /^$/);

	return out.concat(L.toArray(status.warnings).filter(text => !said.some(pattern => pattern.test(text))).map(text => [ 'warning', '', [ text ] ]));
}

/* One owner; update() at each poll changes the page only when something else is to be said. */
class Notices {
	constructor() {
		this.node = E('div', { class: 'mz-notices', role: 'status' });
	}

	update(failure, status, stats) {
		const list = failure ? [ failures[failure]() ] : status ? statusNotices(status, stats) : [];
		const nodes = list.map(([ kind, title, text ]) => E('div', { class: 'alert-message ' + kind }, [ title ? E('h4', [ title ]) : '', E('p', text) ]));
		const said = nodes.map(node => node.textContent).join('\n');

		if (this.said != said) {
			this.said = said;
			this.node.replaceChildren(...nodes);
		}
	}
}

/* Why traffic is of no device. */
function reasons(status) {
	const words = {
		no_prefix: _('address of no watched network'), table_full: _('table full'), limit: _('too many devices'),
		multicast: _('multicast'), malformed: _('unreadable packets')
	};
	const found = Object.entries(status?.unattributed || {})
		.map(([ reason, { download, upload } ]) => [ words[reason] || reason, (download?.bytes || 0) + (upload?.bytes || 0) ])
		.filter(([ , bytes ]) => bytes).map(([ words, bytes ]) => words + ' ' + model.formatTotal(bytes));

	return found.length ? ' (' + found.join(', ') + ')' : '';
}

return baseclass.extend({ Notices, statusNotices, reasons });
