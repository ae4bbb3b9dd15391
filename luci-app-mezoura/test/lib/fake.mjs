// SPDX-License-Identifier: GPL-2.0-only

/*
 * A daemon made of arithmetic, with the replies of the real one: for screenshots, many hosts and hostile names. The same seed gives the same
 * numbers. Time passes only when stats is called.
 */

function random(seed) {
	return () => {
		seed = (seed * 1664525 + 1013904223) >>> 0;
		return seed / 4294967296;
	};
}

/* name, network, kind of traffic, share of IPv6 */
const home = [
	[ 'living-room-tv', 'lan', 'stream', 0.9 ], [ 'annas-laptop', 'lan', 'bursts', 0.6 ], [ 'ps5', 'lan', 'download', 0 ], [ 'marks-phone', 'lan', 'bursts', 0.7 ],
	[ 'backup-nas', 'lan', 'upload', 0.4 ], [ 'office-pc', 'lan', 'call', 0.5 ], [ 'kitchen-radio', 'lan', 'little', 0 ], [ 'doorbell', 'iot', 'trickle', 0 ],
	[ 'thermostat', 'iot', 'rare', 0 ], [ 'guest-iphone', 'guest', 'bursts', 0.3 ], [ '', 'guest', 'little', 0.2 ], [ 'printer', 'lan', 'idle', 0 ],
	[ 'tablet', 'lan', 'gone', 0.4 ], [ 'robot-vacuum', 'iot', 'rare', 0 ], [ 'robert-work', 'wg0', 'call', 0 ]
];

const shapes = {
	stream: (t, r) => [ (t % 14 < 8 ? 4.2e6 : 0.15e6) * (0.9 + 0.2 * r()), 4e4 ],
	bursts: (t, r) => [ Math.max(0, Math.sin(t / 17) * Math.sin(t / 5.3)) ** 2 * 2.6e6 * (0.5 + r()), 7e4 * r() ],
	download: (t, r) => [ t % 240 > 90 ? 6.1e6 * (0.92 + 0.12 * r()) : 0, 9e4 ],
	upload: (t, r) => [ 2e4, 1.15e6 * (0.95 + 0.1 * r()) ],
	call: (t, r) => [ 3.1e5 * (0.9 + 0.2 * r()), 2.9e5 * (0.9 + 0.2 * r()) ],
	little: (t, r) => [ 2.4e4 * (0.8 + 0.4 * r()), 1500 ],
	trickle: (t, r) => [ 900 * r(), 6.2e4 * r() ],
	rare: (t, r) => r() > 0.93 ? [ 800, 400 ] : [ 0, 0 ],
	idle: () => [ 0, 0 ],
	gone: () => [ 0, 0 ]
};

export class FakeDaemon {
	/* options: hosts (more than the home's are made up), names (instead of the home's), seed, start (Unix seconds), pageSize */
	constructor(options = {}) {
		this.random = random(options.seed ?? 1);
		this.time = options.start ?? Math.floor(Date.now() / 1000);
		this.started = this.time - 260000;
		this.pageSize = options.pageSize ?? 100000;
		this.clock = 0;
		this.overrides = {};
		this.hosts = [];

		const list = options.names ? options.names.map((name, i) => [ name, 'lan', [ 'bursts', 'stream', 'little' ][i % 3], 0.5 ]) : home.slice(0, options.hosts ?? home.length);

		for (let i = list.length; i < (options.hosts ?? 0); i++)
			list.push([ 'host-' + i, [ 'lan', 'guest', 'iot' ][i % 3], [ 'bursts', 'little', 'stream', 'trickle', 'rare' ][i % 5], (i % 10) / 10 ]);

		list.forEach(([ name, network, kind, six ], i) => this.add(name, network, kind, six, i));
	}

	add(name, network, kind, six, i) {
		const third = { lan: 1, iot: 20, guest: 30, wg0: 40 }[network] ?? 1;
		const hex = (n) => n.toString(16).padStart(2, '0');
		const raw = network == 'wg0';

		this.hosts.push({
			kind, six,
			mac: raw ? '' : 'a4:5e:60:' + hex(third) + ':' + hex(i >> 8) + ':' + hex(i & 255),
			hostname: name, network, device: raw ? 'wg0' : 'br-' + network, random: name == 'guest-iphone',
			v4: '10.' + third + '.' + (i >> 8) + '.' + ((i & 255) + 2), v6: six ? [ '2001:db8:' + third + '::' + (i + 16).toString(16), '2001:db8:' + third + ':0:c8d2:77ff:fe' + hex(i & 255) + ':1' ] : [],
			phase: Math.floor(this.random() * 200),
			down: Math.floor(this.random() ** 4 * 9e10) + 1e6, up: Math.floor(this.random() ** 4 * 9e9) + 1e5,
			downRate: 0, upRate: 0,
			first: this.started + i * 600, last: kind == 'gone' ? this.time - 86400 * 2 : this.time - Math.floor(this.random() * 4000)
		});
	}

	advance(seconds) {
		this.clock += seconds;
		this.time += seconds;

		for (const h of this.hosts) {
			const [ down, up ] = shapes[h.kind](this.clock + h.phase, this.random);

			h.downRate = Math.floor(down);
			h.upRate = Math.floor(up);
			h.down += h.downRate * seconds;
			h.up += h.upRate * seconds;

			if (h.downRate + h.upRate)
				h.last = this.time;
		}
	}

	host(h) {
		const part = (share) => ({
			download: { bytes: Math.floor(h.down * share), packets: Math.floor(h.down * share / 1100), rate: Math.floor(h.downRate * share) },
			upload: { bytes: Math.floor(h.up * share), packets: Math.floor(h.up * share / 300), rate: Math.floor(h.upRate * share) }
		});
		const address = (ip, share) => {
			const { download, upload } = part(share);
			return { ip, download: { bytes: download.bytes, packets: download.packets }, upload: { bytes: upload.bytes, packets: upload.packets }, last_seen: h.last };
		};

		return {
			mac: h.mac, hostname: h.hostname, network: h.network, device: h.device, ...part(1),
			ipv4: part(1 - h.six), ipv6: part(h.six),
			addresses: [ address(h.v4, 1 - h.six), ...h.v6.map(ip => address(ip, h.six / h.v6.length)) ],
			first_seen: h.first, last_seen: h.last, online: this.time - h.last < 3600 && h.kind != 'gone', random: h.random
		};
	}

	stats(args) {
		if (!args.offset)
			this.advance(2);

		const offset = args.offset ?? 0;

		return {
			time: this.time, uptime: this.time - this.started, total: this.hosts.length, ...(offset + this.pageSize < this.hosts.length ? { listing: 1 } : {}),
			hosts: this.hosts.slice(offset, offset + this.pageSize).map(h => this.host(h)),
			unattributed: { download: { bytes: 48230011, packets: 51234, rate: 0 }, upload: { bytes: 1203344, packets: 8123, rate: 0 } }
		};
	}

	status() {
		return {
			version: '1.0.0', transport: 'wire', kernel: '6.12.58', interval: 10,
			attachments: [ 'lan1', 'lan2', 'lan3', 'wlan0', 'wlan1' ].map(device => ({ network: 'lan', device, mode: 'tcx', direction: 'both', error: '' })),
			networks: [ { name: 'lan', device: 'br-lan', up: true, prefixes: [ '10.1.0.0/16' ] } ],
			table: { entries: this.hosts.length * 2, capacity: 4096, conflicts: 3 },
			unattributed: { multicast: { download: { bytes: 48000000, packets: 50000 }, upload: { bytes: 0, packets: 0 } }, no_prefix: { download: { bytes: 230011, packets: 1234 }, upload: { bytes: 1203344, packets: 8123 } } },
			offload: { software: false, hardware: false, source: '' }, warnings: [], config_error: '',
			...this.overrides
		};
	}

	reset(args) {
		for (const h of this.hosts)
			if (!args.host || args.host == h.mac || args.host == h.v4 || args.host == h.hostname)
				h.down = h.up = 0;

		return {};
	}

	/* The object as the router serves it. */
	object() {
		return async (method, args) => [ 'stats', 'status', 'reset' ].includes(method) ? [ 0, this[method](args) ] : [ 3 ];
	}
}
