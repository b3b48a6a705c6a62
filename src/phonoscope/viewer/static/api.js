// Everything the page asks of the viewer. Nothing else is ever asked: no other host, no storage elsewhere.

const KINDS = { uint8: Uint8Array, int16: Int16Array, float32: Float32Array, float64: Float64Array };

function address(path, asked = {}) {
  const url = new URL(`/api/${path}`, location.origin);
  for (const [name, value] of Object.entries(asked)) {
    if (value !== null && value !== undefined && value !== "") url.searchParams.set(name, String(value));
  }
  return url;
}

async function answered(response) {
  if (response.ok) return response;
  let words = `The viewer answered ${response.status}.`;
  try {
    words = (await response.json()).error ?? words;
  } catch { /* no JSON: the status says enough */ }
  throw new Error(words);
}

async function ask(path, asked, options = {}) {
  let response;
  try {
    response = await fetch(address(path, asked), { credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The viewer does not answer; is it still running in its terminal?");
  }
  return answered(response);
}

export const getJson = async (path, asked, options) => (await ask(path, asked, options)).json();

export const getArrays = async (path, asked, options) => unpack(await (await ask(path, asked, options)).arrayBuffer());

export const getSound = async (asked) => (await ask("sound", asked)).blob();

export const send = async (method, path, asked, body, type = "application/json") =>
  (await ask(path, asked, { method, body, headers: body === undefined ? {} : { "content-type": type } })).json();

export const exportAddress = (asked) => address("export", asked).href;

// Header length (uint32), four zeros, the header in JSON, then the arrays: see packing.py.
export function unpack(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  const found = { ...header };
  for (const { name, dtype, shape, offset } of header.arrays) {
    const count = shape.reduce((product, size) => product * size, 1);
    found[name] = Object.assign(new KINDS[dtype](buffer, 8 + length + offset, count), { shape });
  }
  return found;
}
