// SPDX-License-Identifier: GPL-2.0-only
'use strict';
'require view';
'require form';
'require uci';
'require tools.widgets as widgets';

const isDuration = (section_id, value) => (/^(\d+(\.\d+)?|(\d+(ms|[smhdw]))+)?$/).test(value) || _('A number of seconds, or a duration such as 30s, 5m or 1d12h');

return view.extend({
	load() {
		return uci.load('mezoura');
	},

	render() {
		const m = new form.Map('mezoura', _('Internet usage'),
			_('Changes take effect without losing any count.'));
		const s = m.section(form.NamedSection, 'main', 'mezoura');
		let o;

		s.addremove = false;
		s.tab('counting', _('Counting'));
		s.tab('names', _('Names'));
		s.tab('publishing', _('Prometheus'));

		const option = (tab, type, name, title, help, more) => Object.assign(s.taboption(tab, type, name, title, help), more);

		option('counting', form.Flag, 'enabled', _('Count traffic'), null, { default: '1', rmempty: false });

		option('counting', widgets.NetworkSelect, 'network', _('Networks'),
			_('Whose devices are counted: your LAN, guest and VPN networks, not the one to the internet.'),
			{ multiple: true, nocreate: true, default: 'lan' });

		option('counting', form.DynamicList, 'internal_add', _('Not the internet'),
			_('Further addresses not to count, such as those of a second site behind a VPN. Private ones are left out anyway.'),
			{ datatype: 'cidr', placeholder: '203.0.113.0/24' });

		option('counting', form.Value, 'expire', _('Forget devices after'),
			_('A device that was silent this long is no longer listed. 0 keeps devices for ever.'),
			{ placeholder: '30d', validate: isDuration });

		option('counting', form.Value, 'table_size', _('Places for addresses'),
			_('Raise it when the usage page says that the table of addresses is full.'),
			{ placeholder: '4096', datatype: 'range(16,1048576)' });

		o = option('names', form.MultiValue, 'names', _('Where names come from'),
			_('Nothing chosen means all of them. The first that knows a device wins, in the order of this list.'));
		o.value('alias', _('The table below'));
		o.value('uci', _('Static leases'));
		o.value('dnsmasq', _('DHCP leases of dnsmasq'));
		o.value('odhcpd', _('DHCP leases of odhcpd'));
		o.value('ethers', '/etc/ethers');
		o.value('hosts', '/etc/hosts');

		const aliases = s.taboption('names', form.SectionValue, '_aliases', form.TableSection, 'alias', _('Names of your own'),
			_('Give a device a name, and put the addresses of one device (cable and wireless) together.')).subsection;

		aliases.anonymous = true;
		aliases.addremove = true;
		aliases.sortable = true;

		o = aliases.option(form.Value, 'name', _('Name'));
		o.rmempty = false;
		o.datatype = 'maxlength(255)';

		o = aliases.option(form.DynamicList, 'mac', _('MAC addresses'));
		o.rmempty = false;
		o.datatype = 'macaddr';

		o = option('publishing', form.Flag, 'exporter', _('Let Prometheus fetch the numbers'), _('Over HTTP at /metrics. There is no password.'));

		option('publishing', form.Value, 'listen', _('Address'), _('An address of this router; empty means all of them.'), { datatype: 'ipaddr' })
			.depends('exporter', '1');

		option('publishing', form.Value, 'port', _('Port'), null, { datatype: 'port', placeholder: '9999' })
			.depends('exporter', '1');

		option('publishing', form.DynamicList, 'textfile', _('Text files'),
			_('Files the numbers are written to in Prometheus’ text format; “none” writes no file.'), { placeholder: '/tmp/prom_c' });

		option('publishing', form.Value, 'interval', _('Write every'), _('How often the files are written.'), { placeholder: '10', validate: isDuration });

		option('publishing', form.Flag, 'compat', _('Old metrics too'), _('The node_nat_traffic_* metrics of the original program as well.'), { default: '1' });

		return m.render();
	}
});
