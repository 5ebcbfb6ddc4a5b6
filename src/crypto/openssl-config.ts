import { caName, checkCommonName } from './certificate-names.ts'

// The relay makes its certificates itself. These files let operators make the same ones with openssl, and let the
// reference server renew them.

/** Text of openssl_ca.conf, for `openssl req -new -x509 -extensions v3`. */
export function opensslCaConfig(): string {
  return `[req]
distinguished_name = req_distinguished_name
prompt = no

[req_distinguished_name]
CN = ${caName.commonName}
O = ${caName.organization}

[v3]
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
basicConstraints = critical,CA:true
`
}

/** Text of openssl_server.conf, for `openssl req -new -reqexts v3` and `openssl x509 -req -extensions v3`. */
export function opensslServerConfig(commonName: string): string {
  checkCommonName(commonName)
  return `[req]
distinguished_name = req_distinguished_name
prompt = no

[req_distinguished_name]
CN = ${commonName.replace(/[^A-Za-z0-9.:-]/g, '\\$&')}

[v3]
basicConstraints = CA:FALSE
keyUsage = digitalSignature, nonRepudiation, keyAgreement
extendedKeyUsage = serverAuth
`
}
