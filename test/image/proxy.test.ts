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
    // a tunnel to port 80 is what most proxies refuse, and this one too
    expect(proxy.log).toEqual([{ method: 'GET', target: `http://${HOST}/disk` }]);
  });

  test('its address may be without a scheme', async () => {
    await using server = await HttpServer.start();
    await using proxy = await ProxyServer.start({ to: server.port });
    await using rig = new Rig({ env: { http_proxy: proxy.address } });
    server.serve('/disk', IMAGE);
    expect((await rig.pull(`disk,http=http://${HOST}/disk`)).exitCode).toBe(0);
  });

  test.for<[string, string, string]>([
    ['socks5://ann:s3cret@127.0.0.1:1', 'socks5://ann:***@127.0.0.1:1', 'is a SOCKS proxy'],
    ['http://', 'http://', 'is not a proxy URL'],
    ['proxy one', 'proxy one', 'is not a proxy URL'],
  ])('%s is refused', async ([address, shown, reason]) => {
    await using rig = new Rig({ env: { http_proxy: address } });
    const { exitCode, stderr } = await rig.pull(`disk,http=http://${HOST}/disk`);
    expect(exitCode).toBe(1);
    expect(errorsIn(stderr.text)).toEqual([
      expect.stringContaining(`http_proxy: error: "${shown}" ${reason}`),
    ]);
    expect(stderr.text).not.toContain('s3cret');
  });

  test.for(['http', 'https'])('its name and password are sent for %s, and missed by name', async (scheme) => {
    await using rig = new Rig({ resumable: true });
    const certificate = scheme === 'https' ? makeCertificate(rig.work, HOST) : undefined;
    await using server = await HttpServer.start(certificate);
    await using proxy = await ProxyServer.start({ to: server.port, credentials: 'ann:p@ss' });
    server.serve('/disk', IMAGE);
    const pull = async (address: string) =>
      rig.run(['image', 'pull', `disk,http=${scheme}://${HOST}/disk`], {
        env: { [`${scheme}_proxy`]: address, NODE_EXTRA_CA_CERTS: certificate?.path },
      });
    const refused = await pull(proxy.address);
    expect(errorsIn(refused.stderr.text)).toEqual([
      expect.stringContaining('the proxy requires a user name and password (407)'),
    ]);
    expect((await pull(`http://ann:p%40ss@${proxy.address}`)).exitCode).toBe(0);
    expect(server.requests.map(({ headers }) => headers['proxy-authorization'])).toEqual(
      scheme === 'https' ? [undefined] : [expect.anything()],
    );
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

  test('SSL_CERT_FILE names authorities besides those that are trusted', async () => {
    await using rig = new Rig();
    const certificate = makeCertificate(rig.work);
    await using server = await HttpServer.start(certificate);
    const url = server.serve('/disk', IMAGE);
    const env = { SSL_CERT_FILE: certificate.path };
    expect((await rig.run(['image', 'pull', `disk,http=${url}`], { env })).exitCode).toBe(0);
  });

  test('SSL_CERT_FILE that is not there is reported, and is nothing to plain http', async () => {
    await using rig = new Rig({ env: { SSL_CERT_FILE: '/no/such/file' } });
    await using server = await HttpServer.start(makeCertificate(rig.work));
    await using plain = await HttpServer.start();
    const { stderr } = await rig.pull(`disk,http=${server.serve('/disk', IMAGE)}`);
    expect(errorsIn(stderr.text)).toEqual([
      expect.stringMatching(/SSL_CERT_FILE: error: cannot read the CA certificates in /),
    ]);
    expect((await rig.pull(`disk,http=${plain.serve('/disk', IMAGE)}`)).exitCode).toBe(0);
  });

  test('with one that is not: nothing is asked for', async () => {
    await using rig = new Rig({ resumable: true });
    await using server = await HttpServer.start(makeCertificate(rig.work));
    const { exitCode, stderr } = await rig.pull(`disk,http=${server.serve('/disk', IMAGE)}`);
    expect(exitCode).toBe(1);
    expect(errorsIn(stderr.text)).toEqual([
      expect.stringMatching(/certificate[^]*hint: .*SSL_CERT_FILE or NODE_EXTRA_CA_CERTS/),
    ]);
    expect(server.requests).toEqual([]);
  });
});
