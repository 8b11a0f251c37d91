import { describe, expect, test } from 'vitest';
import { disk } from '../rig/disks.ts';
import { errorsIn } from '../rig/errors.ts';
import { HttpServer } from '../rig/http-server.ts';
import { ProxyServer } from '../rig/proxy-server.ts';
import { Rig } from '../rig/rig.ts';
import { makeCertificate } from '../rig/tls.ts';

const IMAGE = disk('qcow2');
/** A name that no resolver knows: only the proxy can reach it. */
const HOST = 'images.invalid';

describe('a proxy', () => {
  test.for(['HTTP_PROXY', 'http_proxy'])('%s is used for http', async (variable) => {
    await using server = await HttpServer.start();
    await using proxy = await ProxyServer.start({ to: server.port });
    await using rig = new Rig({ env: { [variable]: proxy.url } });
    server.serve('/disk', IMAGE);
    expect((await rig.pull(`disk,http=http://${HOST}/disk`)).exitCode).toBe(0);
    expect(rig.images).toEqual(['disk']);
    expect(proxy.log).toEqual([expect.objectContaining({ target: expect.stringContaining(HOST) as string })]);
  });

  test('HTTPS_PROXY is used for https, and passes it on unseen', async () => {
    await using rig = new Rig();
    const certificate = makeCertificate(rig.work, HOST);
    await using server = await HttpServer.start(certificate);
    await using proxy = await ProxyServer.start({ to: server.port });
    server.serve('/disk', IMAGE);
    const { exitCode } = await rig.run(['image', 'pull', `disk,http=https://${HOST}/disk`], {
      env: { HTTPS_PROXY: proxy.url, NODE_EXTRA_CA_CERTS: certificate.path },
    });
    expect(exitCode).toBe(0);
    expect(proxy.log).toEqual([{ method: 'CONNECT', target: `${HOST}:443` }]);
    expect(server.requests.map(({ path }) => path)).toEqual(['/disk']);
  });

  test.for(['127.0.0.1', '*', 'example.org,127.0.0.1'])('NO_PROXY=%s goes past it', async (hosts) => {
    await using server = await HttpServer.start();
    await using proxy = await ProxyServer.start({ to: server.port });
    await using rig = new Rig({ env: { HTTP_PROXY: proxy.url, NO_PROXY: hosts } });
    const url = server.serve('/disk', IMAGE);
    expect((await rig.pull(`disk,http=${url}`)).exitCode).toBe(0);
    expect(proxy.log).toEqual([]);
  });

  test('is used for a registry too', async () => {
    await using server = await HttpServer.start();
    await using proxy = await ProxyServer.start({ to: server.port });
    await using rig = new Rig({
      env: { HTTP_PROXY: proxy.url, VAGRANT_SERVER_URL: `http://${HOST}` },
      resumable: true,
    });
    const { exitCode, stderr } = await rig.pull('user/box:1.0.0');
    expect(exitCode).toBe(1);
    expect(errorsIn(stderr.text)).toHaveLength(1);
    expect(server.requests.map(({ path }) => path)).toEqual(['/api/v2/vagrant/user/box']);
  });
});

describe('https', () => {
  test('with a certificate that is trusted', async () => {
    await using rig = new Rig();
    const certificate = makeCertificate(rig.work);
    await using server = await HttpServer.start(certificate);
    const url = server.serve('/disk', IMAGE);
    const { exitCode } = await rig.run(['image', 'pull', `disk,http=${url}`], {
      env: { NODE_EXTRA_CA_CERTS: certificate.path },
    });
    expect(exitCode).toBe(0);
  });

  test('with one that is not: nothing is asked for', async () => {
    await using rig = new Rig({ resumable: true });
    await using server = await HttpServer.start(makeCertificate(rig.work));
    const { exitCode, stderr } = await rig.pull(`disk,http=${server.serve('/disk', IMAGE)}`);
    expect(exitCode).toBe(1);
    expect(errorsIn(stderr.text)).toEqual([expect.stringMatching(/certificate/)]);
    expect(server.requests).toEqual([]);
  });
});
