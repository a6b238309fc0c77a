// The formats of texts that JSON Schema names, each with an example and a check.

const day = (text) => {
  const [, y, m, d] = text.match(/^(\d{4})-(\d\d)-(\d\d)$/) ?? [];
  if (!y) return false;
  const date = new Date(Date.UTC(2000, m - 1, d));
  date.setUTCFullYear(y, m - 1, d); // years before 100 too
  return date.getUTCMonth() === m - 1 && date.getUTCDate() === Number(d);
};
const clock = (text) => /^([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?(z|[+-]([01]\d|2[0-3]):[0-5]\d)$/i.test(text);
const moment = (text) => /^[^t ]+[t ]/i.test(text) && day(text.slice(0, 10)) && clock(text.slice(11));
const host = (text) => text.length <= 253 && text.split('.').every((part) => /^[a-z\d]([a-z\d-]{0,61}[a-z\d])?$/i.test(part));
const four = (text) => text.split('.').length === 4 && text.split('.').every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && part <= 255);
const address = (text) => URL.canParse(`ws://[${text}]`) && text.includes(':');

export const formats = {
  date: ['a day such as 2026-03-14', day],
  time: ['a time such as 15:09:26Z', clock],
  'date-time': ['a moment such as 2026-03-14T15:09:26Z', moment],
  duration: ['a duration such as P3DT12H', (text) => /^P(?=.)(\d+W|(\d+Y)?(\d+M)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?)$/.test(text)],
  email: ['an address such as ada@example.org', (text) => /^[^\s@]+@[^\s@]+$/.test(text)],
  hostname: ['the name of a host such as www.example.org', host],
  ipv4: ['an address such as 192.0.2.1', four],
  ipv6: ['an address such as 2001:db8::1', address],
  uri: ['an address such as urn:isbn:0451450523', (text) => /^[a-z][a-z\d+.-]*:[^\s]+$/i.test(text)],
  uuid: ['a UUID such as 123e4567-e89b-12d3-a456-426614174000', (text) => /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(text)],
};
