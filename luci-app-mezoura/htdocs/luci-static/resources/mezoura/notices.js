// SPDX-License-Identifier: GPL-2.0-only
'use strict';
'require baseclass';
'require mezoura.model as model';

/* What is wrong, and what to do about it, in plain words above the numbers. */

const link = (label, ...path) => E('a', { 'href': L.url(...path) }, [ label ]);

function failureNotice(failure) {
	switch (failure) {
	case 'stopped':
		return [ 'error', _('Mezoura is not running'), [
			...model.fill(_('Nothing is shown until it runs. Start it under %s (service “mezoura”), or with “service mezoura start”.'), link(_('System » Startup'), 'admin/system/startup')),
			' ', _('This page goes on by itself as soon as it runs.') ] ];

	case 'denied':
		return [ 'error', _('Access denied'), [ _('Your account may not read the traffic of this network.') ] ];

	case 'unreachable':
		return [ 'warning', _('The router does not answer'), [ _('Trying again every two seconds. The numbers below are the last ones received.') ] ];

	default:
		return [ 'error', _('Mezoura did not answer'), [ _('It may be starting or overloaded. The system log says more.') ] ];
	}
}

function statusNotices(status, stats) {
	const out = [], offload = status.offload || {}, table = status.table || {};
	const attachments = Array.isArray(status.attachments) ? status.attachments : [];
	const waiting = attachments.filter(a => a.error || a.mode == 'waiting' || !a.mode);

	if (status.config_error)
		out.push([ 'error', _('The configuration has an error'), [
			status.config_error, ' ',
			...model.fill(_('Until it is corrected under %s, the previous settings stay in force.'), link(_('Settings'), 'admin/status/mezoura/settings')) ] ]);

	if (offload.hardware)
		out.push([ 'warning', _('Hardware flow offloading is on'), [
			...model.fill(_('Offloaded traffic never reaches the processor and is missing here: the numbers are too low. To count everything, turn it off under %s.'),
				link(_('Network » Firewall'), 'admin/network/firewall')) ] ]);

	if (attachments.length && waiting.length == attachments.length)
		out.push([ 'error', _('Nothing is being counted'), [ _('No device could be watched: %s.').format(describe(waiting)) ] ]);
	else if (waiting.length)
		out.push([ 'warning', _('Some devices are not watched yet'), [ _('Their traffic is not counted: %s.').format(describe(waiting)) ] ]);
	else if (Array.isArray(status.networks) && !status.networks.length)
		out.push([ 'error', _('No network is selected'), [
			...model.fill(_('Choose the networks to watch under %s.'), link(_('Settings'), 'admin/status/mezoura/settings')) ] ]);

	if (table.capacity > 0 && table.entries >= table.capacity * 0.95)
		out.push([ 'warning', _('The table of addresses is full'), [
			_('%s of %s places are taken; traffic of further addresses is counted, but of no device.').format(model.formatCount(table.entries), model.formatCount(table.capacity)), ' ',
			...model.fill(_('Make it larger under %s.'), link(_('Settings'), 'admin/status/mezoura/settings')) ] ]);

	if (stats && !stats.hosts.length && !out.length)
		out.push([ 'notice', _('No device seen yet'), [ _('As soon as a device uses the internet, it appears here.') ] ]);

	return out.concat(spoken(status, out));
}

/* The daemon's own sentences, save those on which there is a notice above (which is translated, and says what to do). */
function spoken(status, above) {
	const known = [];

	if (status.offload?.hardware)
		known.push(/hardware.*offload|offload.*hardware/i);
	if (status.config_error)
		known.push(/configuration/i);
	if (above.some(n => n[1] == _('The table of addresses is full')))
		known.push(/table.*full/i);

	for (const a of Array.isArray(status.attachments) ? status.attachments : [])
		if (a.error || a.mode == 'waiting')
			known.push({ test: (text) => text.includes(a.device) });

	return (Array.isArray(status.warnings) ? status.warnings : [])
		.filter(text => !known.some(pattern => pattern.test(text)))
		.map(text => [ 'warning', null, [ text ] ]);
}

const describe = (list) => list.map(a => [ a.device, a.network && a.network != a.device ? '(' + a.network + ')' : '', a.error ? '– ' + a.error : '' ].filter(Boolean).join(' ')).join(', ');

/* The box above the numbers. One owner; update() at each poll changes the page only when something else is to be said. */
class Notices {
	constructor() {
		this.node = E('div', { 'class': 'mz-notices', 'role': 'status' });
		this.said = '';
	}

	update(failure, status, stats) {
		const list = failure ? [ failureNotice(failure) ] : status ? statusNotices(status, stats) : this.list || [];
		const nodes = list.map(([ kind, title, text ]) => E('div', { 'class': 'alert-message ' + kind }, [
			title ? E('h4', [ title ]) : '',
			E('p', text)
		]));
		const said = nodes.map(node => node.textContent).join('\n');

		this.list = failure ? [] : list;

		if (said != this.said) {
			this.said = said;
			this.node.replaceChildren(...nodes);
		}
	}
}

/* Why traffic is of no device: a sentence for the line below the table. */
function reasons(status) {
	const words = {
		no_prefix: _('address of no watched network'),
		table_full: _('table full'),
		limit: _('too many devices'),
		multicast: _('multicast'),
		malformed: _('unreadable packets'),
		other: _('other')
	};
	const found = [];

	for (const [ reason, flows ] of Object.entries(L.isObject(status?.unattributed) ? status.unattributed : {})) {
		const bytes = (flows?.download?.bytes || 0) + (flows?.upload?.bytes || 0);

		if (bytes)
			found.push((words[reason] || reason) + ' ' + model.formatTotal(bytes));
	}

	return found.length ? ' (' + found.join(', ') + ')' : '';
}

return baseclass.extend({ Notices, statusNotices, reasons });
