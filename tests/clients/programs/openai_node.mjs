import OpenAI from "openai";
import { fails, imageUrl, model, question, run } from "./checks.mjs";

const client = new OpenAI({ maxRetries: 0 });
const ask = { model, messages: [{ role: "user", content: question }], max_tokens: 24 };
const withImage = [
  { type: "text", text: question },
  { type: "image_url", image_url: { url: imageUrl } },
];
const inputWithImage = [
  { type: "input_text", text: question },
  { type: "input_image", image_url: imageUrl, detail: "auto" },
];

await run({
  models: async () => (await client.models.list()).data[0].id,
  chat: async () => (await client.chat.completions.create(ask)).choices[0].message.content,
  "chat, stream": async () => {
    let text = "";
    for await (const part of await client.chat.completions.create({ ...ask, stream: true }))
      text += part.choices[0]?.delta?.content ?? "";
    return text;
  },
  "chat, image": async () =>
    (await client.chat.completions.create({ ...ask, messages: [{ role: "user", content: withImage }] }))
      .choices[0].message.content,
  responses: async () => (await client.responses.create({ model, input: question })).output_text,
  "responses, image": async () =>
    (await client.responses.create({ model, input: [{ role: "user", content: inputWithImage }] }))
      .output_text,
  "responses, stream": async () => {
    const stream = client.responses.stream({ model, input: question });
    let text = "";
    for await (const event of stream)
      if (event.type === "response.output_text.delta") text += event.delta;
    const final = await stream.finalResponse();
    if (final.output_text !== text) throw new Error(`${final.output_text} isn't ${text}`);
    return text;
  },
  "wrong key": () =>
    fails(
      () => new OpenAI({ apiKey: "sk-wrong", maxRetries: 0 }).models.list(),
      (error) => error instanceof OpenAI.AuthenticationError,
    ),
  "wrong model": () =>
    fails(
      () => client.chat.completions.create({ ...ask, model: "nobody" }),
      (error) => error instanceof OpenAI.NotFoundError,
    ),
  embeddings: () =>
    fails(
      () => client.embeddings.create({ model, input: "x" }),
      (error) => error instanceof OpenAI.NotFoundError,
    ),
});
