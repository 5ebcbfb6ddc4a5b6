import { describe, expect, it } from 'vitest'
import { iptablesOutcome } from '../../../../src/app/doctor/firewall/iptables.ts'
import type { NewConnection, Outcome } from '../../../../src/app/doctor/firewall/walk.ts'

const user: NewConnection = { port: 5223, family: 'IPv4', interface: 'eth0' }

/** With the policy DROP, so that only what is let in gets through. */
const outcome = (rules: string, connection = user): Outcome =>
  iptablesOutcome(`-P INPUT DROP\n-N other\n${rules}\n`, connection)

const DROPPED = { type: 'drop', by: '-P INPUT DROP' }

/** As ufw makes them, without what is for other protocols. */
const ufw = (allowed: string): string => `-P INPUT DROP
-N ufw-before-input
-N ufw-logging-deny
-N ufw-not-local
-N ufw-user-input
-N ufw-after-input
-N ufw-skip-to-policy-input
-A INPUT -j ufw-before-input
-A INPUT -j ufw-after-input
-A ufw-after-input -p udp -m udp --dport 137 -j ufw-skip-to-policy-input
-A ufw-before-input -i lo -j ACCEPT
-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-input -m conntrack --ctstate INVALID -j ufw-logging-deny
-A ufw-before-input -m conntrack --ctstate INVALID -j DROP
-A ufw-before-input -p icmp -m icmp --icmp-type 8 -j ACCEPT
-A ufw-before-input -j ufw-not-local
-A ufw-before-input -d 224.0.0.251/32 -p udp -m udp --dport 5353 -j ACCEPT
-A ufw-before-input -j ufw-user-input
-A ufw-not-local -m addrtype --dst-type LOCAL -j RETURN
-A ufw-not-local -m addrtype --dst-type MULTICAST -j RETURN
-A ufw-not-local -m limit --limit 3/min --limit-burst 10 -j ufw-logging-deny
-A ufw-not-local -j DROP
-A ufw-skip-to-policy-input -j DROP
-A ufw-user-input -p tcp -m tcp --dport 22 -j ACCEPT
${allowed}
`

describe('iptables', () => {
  it('ufw keeps out what was not allowed, and lets in what was', () => {
    expect(iptablesOutcome(ufw(''), user)).toEqual(DROPPED)
    expect(iptablesOutcome(ufw('-A ufw-user-input -p tcp -m tcp --dport 5223 -j ACCEPT'), user).type).toBe('accept')
    expect(iptablesOutcome(ufw('-A ufw-user-input -p tcp -m multiport --dports 443,5223 -j ACCEPT'), user).type).toBe(
      'accept',
    )
  })

  it.each([
    ['another port', '-A INPUT -p tcp -m tcp --dport 5222 -j ACCEPT'],
    ['another protocol', '-A INPUT -p udp -m udp --dport 5223 -j ACCEPT'],
    ['loopback', '-A INPUT -i lo -j ACCEPT'],
    ['another interface', '-A INPUT -i wg0 -j ACCEPT'],
    ['connections that are open already', '-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT'],
    ['a private network', '-A INPUT -s 192.168.0.0/16 -p tcp -j ACCEPT'],
    ['a chain that returns before', '-A INPUT -j other\n-A other -j RETURN\n-A other -j ACCEPT'],
    ['a comment that looks like one', '-A INPUT -p udp -m comment --comment "-p tcp -j ACCEPT" -j ACCEPT'],
    ['every port except this one', '-A INPUT -p tcp -m tcp ! --dport 5223 -j ACCEPT'],
  ])('a rule that lets in %s does not let users in', (_, rule) => {
    expect(outcome(rule)).toEqual(DROPPED)
  })

  it.each([
    ['the interface of the default route', '-A INPUT -i eth+ -p tcp -j ACCEPT'],
    ['new connections', '-A INPUT -p tcp -m tcp --dport 5000:6000 -m conntrack --ctstate NEW -j ACCEPT'],
    ['a chain', '-A INPUT -g other\n-A other -p tcp --tcp-flags FIN,SYN,RST,ACK SYN -j ACCEPT'],
    ['what is not from a private network', '-A INPUT ! -s 10.0.0.0/8 -j ACCEPT'],
  ])('a rule for %s lets users in', (_, rule) => {
    expect(outcome(rule)).toEqual({ type: 'accept' })
  })

  it('what lets in only some is not called blocked, and what keeps out only some is not either', () => {
    expect(outcome('-A INPUT -s 198.51.100.0/24 -j ACCEPT').type).toBe('unknown')
    expect(outcome('-A INPUT -m limit --limit 3/min -j ACCEPT').type).toBe('unknown')
    expect(outcome('-A INPUT -p tcp -m set --match-set bad src -j DROP\n-A INPUT -p tcp -j ACCEPT').type).toBe('accept')
  })

  it('a rule that drops the port is the reason, before the policy', () => {
    const rule = '-A INPUT -p tcp -m tcp --dport 5223 -j REJECT --reject-with tcp-reset'
    expect(outcome(`${rule}\n-A INPUT -j ACCEPT`)).toEqual({ type: 'drop', by: rule })
  })

  it('chains that lead into each other come to an end', () => {
    expect(outcome('-A INPUT -j other\n-A other -j other')).toEqual(DROPPED)
  })
})
