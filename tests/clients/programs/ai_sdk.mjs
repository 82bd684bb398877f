import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, streamText } from "ai";
import { fails, image, model, question, run } from "./checks.mjs";

const baseURL = process.env.OPENAI_BASE_URL;
const apiKey = process.env.OPENAI_API_KEY;
const openai = createOpenAI({ baseURL, apiKey });
const compatible = createOpenAICompatible({ name: "palo", baseURL, apiKey });
const common = { prompt: question, maxOutputTokens: 24, maxRetries: 0 };
const messages = [
  { role: "user", content: [{ type: "text", text: question }, { type: "image", image }] },
];

async function streamed(chosen) {
  let text = "";
  let fault;
  const { textStream } = streamText({
    ...common,
    model: chosen,
    onError: ({ error }) => {
      fault = error;
    },
  });
  for await (const part of textStream) text += part;
  if (fault) throw fault;
  return text;
}

const withImage = async (chosen) =>
  (await generateText({ model: chosen, messages, maxOutputTokens: 24, maxRetries: 0 })).text;

await run({
  chat: async () => (await generateText({ ...common, model: openai.chat(model) })).text,
  "chat, stream": () => streamed(openai.chat(model)),
  "chat, image": () => withImage(openai.chat(model)),
  responses: async () => (await generateText({ ...common, model: openai.responses(model) })).text,
  "responses, image": () => withImage(openai.responses(model)),
  "responses, stream": () => streamed(openai.responses(model)),
  "compatible, stream": () => streamed(compatible(model)),
  "wrong key": () =>
    fails(
      () => generateText({ ...common, model: createOpenAI({ baseURL, apiKey: "sk-no" })(model) }),
      (error) => error.statusCode === 401,
    ),
  "wrong model": () =>
    fails(
      () => generateText({ ...common, model: openai.chat("nobody") }),
      (error) => error.statusCode === 404,
    ),
});
