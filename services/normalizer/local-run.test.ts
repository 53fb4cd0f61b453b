import { describe, expect, test } from 'vitest';
import { stepOf } from './batch-fixture.ts';

const CALL = {
  'gen_ai.operation.name': 'chat',
  'gen_ai.request.model': 'llama3.3:70b',
  'gen_ai.usage.input_tokens': 1,
};

describe('what a call took that is no token', () => {
  test('quantities by name, and vLLM’s seconds in the model', () => {
    const step = stepOf({
      ...CALL,
      'tacho.quantity.gpu_seconds': 12.5,
      'tacho.quantity.web_searches': 2,
      'gen_ai.latency.time_in_model_inference': 1.935,
    });
    expect(step.call?.quantities).toEqual({ gpu_seconds: 12.5, web_searches: 2, inference_seconds: 1.935 });
  });

  test('which weights answered is a label of the call', () => {
    const step = stepOf({ ...CALL, 'tacho.model.digest': 'sha256:ab', 'tacho.model.quantisation': 'Q4_K_M' });
    expect(step.labels).toMatchObject({ 'model.digest': 'sha256:ab', 'model.quantisation': 'Q4_K_M' });
  });

  test('hostile figures and names are left out, and steps that are no call stay as they are', () => {
    const step = stepOf({
      ...CALL,
      'tacho.quantity.kwh': -1,
      'tacho.quantity.images': 'NaN',
      'tacho.quantity.requests': 1e13,
      'tacho.quantity.__proto__': 1,
      'tacho.quantity.': 1,
    });
    expect(step.call?.quantities).toEqual({});
    expect(stepOf({ 'gen_ai.operation.name': 'execute_tool', 'tacho.quantity.kwh': 1 })).toMatchObject({ call: null });
  });
});
