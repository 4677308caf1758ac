import ipaddr from 'ipaddr.js';

/** What a webhook may be sent to beside public unicast addresses. */
export interface Reach {
  /** The operator named the host (`private: true`): networks of its own too. */
  readonly private: boolean;
  /** The gateway and the webhook are on this machine alone. */
  readonly loopback: boolean;
}

/**
 * Azure's own, from inside of every virtual machine: DNS, DHCP, the host's agent. A public address by its number
 * (learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16). The metadata service is link-local.
 */
const AZURE_HOST = '168.63.129.16';
/** Networks that an operator may have: RFC 1918, RFC 6598, RFC 4193. */
const own = new Set(['private', 'carrierGradeNat', 'uniqueLocal']);

/** Why the gateway does not send to an address; undefined where it does. */
export function whyNot(text: string, reach: Reach): string | undefined {
  const address = meantBy(text);
  if (!address) return 'is not an address';
  if (address.toString() === AZURE_HOST) return "is Azure's own (168.63.129.16)";
  const range = address.range();
  if (range === 'unicast') return isGlobal(address) ? undefined : 'is in no range that was given out';
  if (range === 'loopback') return reach.loopback ? undefined : 'is this machine itself';
  if (own.has(range)) return reach.private ? undefined : 'is a private address';
  return `is not a public address (${range})`;
}

/** The IPv4 address within one that carries it: mapped, NAT64 (RFC 6052) and 6to4 (RFC 3056) lead where it leads. */
function meantBy(text: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  if (!ipaddr.isValid(text)) return undefined;
  const address = ipaddr.parse(text);
  if (!(address instanceof ipaddr.IPv6)) return address;
  const bytes = address.toByteArray();
  if (address.isIPv4MappedAddress()) return address.toIPv4Address();
  const range = address.range();
  if (range === 'rfc6052' || range === 'rfc6145') return new ipaddr.IPv4(bytes.slice(12, 16));
  return range === '6to4' ? new ipaddr.IPv4(bytes.slice(2, 6)) : address;
}

/** Of IPv6 only 2000::/3 was given out (iana.org/assignments/ipv6-address-space). */
const isGlobal = (address: ipaddr.IPv4 | ipaddr.IPv6): boolean =>
  !(address instanceof ipaddr.IPv6) || ((address.toByteArray()[0] ?? 0) & 0xe0) === 0x20;
