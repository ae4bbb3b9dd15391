// SPDX-License-Identifier: GPL-2.0-only

/* The real daemon in the lab, by way of the Go program in ../bridge. */

import { spawn, execFileSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../..');

/* Why it cannot be had here, or null. Where it must be had (CI), that is a failure of the test. */
export function missing() {
	if (process.getuid() != 0)
		return 'the lab needs root';

	return existsSync('/sys/fs/bpf') ? null : 'no BPF file system';
}

export async function startBridge(names) {
	const folder = mkdtempSync(path.join(os.tmpdir(), 'mezoura-luci-'));
	const build = (name, source) => {
		const file = path.join(folder, name);
		execFileSync('go', [ 'build', '-o', file, source ], { cwd: root, env: { ...process.env, CGO_ENABLED: '0' }, stdio: [ 'ignore', 'inherit', 'inherit' ] });
		return file;
	};
	const binary = process.env.MEZOURA_BINARY ?? build('mezoura', './service/mezoura');
	const child = spawn(build('bridge', './luci-app-mezoura/test/bridge'), [ '-mezoura', path.resolve(root, binary), '-names', JSON.stringify(names) ], { stdio: [ 'pipe', 'pipe', 'inherit' ] });
	const waiting = new Map();
	let next = 1;

	const exited = new Promise(resolve => child.on('exit', resolve));
	const ready = new Promise((resolve, reject) => {
		waiting.set(0, resolve);
		exited.then(code => { reject(new Error('bridge ended with ' + code)); for (const fn of waiting.values()) fn({ status: 4 }); });
	});

	createInterface({ input: child.stdout }).on('line', line => {
		const reply = JSON.parse(line);

		waiting.get(reply.id)?.(reply);
		waiting.delete(reply.id);
	});

	const ask = (request) => new Promise(resolve => {
		waiting.set(next, resolve);
		child.stdin.write(JSON.stringify({ ...request, id: next++ }) + '\n');
	});

	await ready;

	let there = true;
	const todo = async (what, more) => {
		const reply = await ask({ do: what, ...more });

		if (reply.status)
			throw new Error(what + ': ' + reply.error);

		return reply.reply;
	};

	return {
		/* ubus' object mezoura, as the router serves it */
		async object(method, args) {
			const { status, reply } = await ask({ method, args });
			return reply === undefined ? [ status ] : [ status, reply ];
		},
		running: () => there,
		stop: () => { there = false; return todo('stop'); },
		start: () => todo('start').then(() => { there = true; }),
		traffic: (seconds) => todo('traffic', { seconds }),
		stats: () => todo('ask'),
		async close() {
			child.stdin.end();
			await exited;
			rmSync(folder, { recursive: true });
		}
	};
}
