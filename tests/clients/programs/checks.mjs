// Runs the checks of one client, and writes a line of JSON for each.
import { readFileSync } from "node:fs";

export const model = process.env.PALO_MODEL;
export const question = "What is in the middle of the image?";
export const image = readFileSync(process.env.PALO_IMAGE);
export const imageUrl = `data:image/png;base64,${image.toString("base64")}`;

export async function fails(ask, isRight) {
  try {
    await ask();
  } catch (error) {
    if (isRight(error)) return error.name ?? String(error);
    throw error;
  }
  throw new Error("no error");
}

export async function run(checks) {
  for (const [check, ask] of Object.entries(checks)) {
    try {
      const seen = await ask();
      if (!seen) throw new Error("nothing came back");
      console.log(JSON.stringify({ check, seen: String(seen).slice(0, 60) }));
    } catch (error) {
      console.log(JSON.stringify({ check, fault: `${error.name}: ${error.message}`.slice(0, 300) }));
    }
  }
}
