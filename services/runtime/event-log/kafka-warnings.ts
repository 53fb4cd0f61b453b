let silenced = false;

/**
 * kafkajs 2.2.4 schedules its queue check with a negative delay when it is not throttled, which Node 24 warns about
 * (harmless: the timer runs at once). Swallows that one warning from that one file; everything else passes.
 */
export const silenceNegativeTimeouts = (): void => {
  if (silenced) return;
  silenced = true;
  const emit = process.emitWarning.bind(process);
  process.emitWarning = ((warning: string | Error, ...rest: never[]): void => {
    const isNegative = String(rest[0]) === 'TimeoutNegativeWarning';
    if (isNegative && new Error().stack?.includes('kafkajs/src/network/requestQueue')) return;
    emit(warning, ...rest);
  }) as typeof process.emitWarning;
};
