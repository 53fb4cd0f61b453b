/** What a person can do about a refusal at the brokers' door. */
export interface Advice {
  /** What to check, by the names of our settings. */
  readonly check: string;
  /** Repeats until somebody changes our settings, which are read at the start: asking again is of no use. */
  readonly isPermanent: boolean;
}

const permanent = (check: string): Advice => ({ check, isPermanent: true });
const passing = (check: string): Advice => ({ check, isPermanent: false });

const CA = permanent("check kafka.tls_ca_file: the brokers' certificate comes from no CA we trust");
const CLIENT = permanent('check kafka.tls_cert_file and kafka.tls_key_file: the brokers refuse our certificate');
const LOGIN = permanent(
  'check kafka.sasl_username and kafka.sasl_password, and that the user has a password for kafka.sasl_mechanism',
);
const VALIDITY = passing("check how long the brokers' certificate is valid, and the clock of this machine");
const CLOSED = passing('if this lasts, check that kafka.tls and kafka.sasl_mechanism are what this listener speaks');

/** Alerts of TLS about the client's certificate; OpenSSL has spelled their family in three ways. */
const clientAlerts = [
  'BAD_CERTIFICATE',
  'CERTIFICATE_REQUIRED',
  'CERTIFICATE_UNKNOWN',
  'UNKNOWN_CA',
  'HANDSHAKE_FAILURE',
]
  .concat('CERTIFICATE_EXPIRED', 'CERTIFICATE_REVOKED', 'UNSUPPORTED_CERTIFICATE')
  .flatMap((alert) => ['SSL/TLS', 'SSLV3', 'TLSV1', 'TLSV13'].map((family) => `ERR_SSL_${family}_ALERT_${alert}`));

/**
 * By protocol error of Kafka, code of Node's TLS (https://nodejs.org/api/tls.html#x509-certificate-error-codes), or
 * name of kafkajs' error class.
 */
const ADVICE: ReadonlyMap<string, Advice> = new Map([
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', CA],
  ['UNABLE_TO_GET_ISSUER_CERT', CA],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', CA],
  ['SELF_SIGNED_CERT_IN_CHAIN', CA],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', CA],
  ['CERT_SIGNATURE_FAILURE', CA],
  ['CERT_UNTRUSTED', CA],
  ['CERT_HAS_EXPIRED', VALIDITY],
  ['CERT_NOT_YET_VALID', VALIDITY],
  [
    'ERR_TLS_CERT_ALTNAME_INVALID',
    permanent(
      "check the host names in kafka.brokers and the brokers' advertised.listeners: their certificate has others",
    ),
  ],
  ...clientAlerts.map((code) => [code, CLIENT] as const),
  ['SASL_AUTHENTICATION_FAILED', LOGIN],
  ['KafkaJSSASLAuthenticationError', LOGIN],
  ['UNSUPPORTED_SASL_MECHANISM', permanent('check kafka.sasl_mechanism: the brokers do not offer it')],
  ['KafkaJSConnectionClosedError', CLOSED],
  ['ECONNRESET', CLOSED],
]);

/** What to say about a failure known by these types, codes and names, outermost first; null when nothing helps. */
export const adviceFor = (marks: readonly string[]): Advice | null => {
  for (const mark of marks) {
    const advice = ADVICE.get(mark);
    if (advice) return advice;
  }
  return null;
};
