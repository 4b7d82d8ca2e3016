// Asks a model with the official client of a dialect for Node; words and answers as those of `ask.py`.
'use strict'

const messages = ask => ask.messages ?? [{ role: 'user', content: ask.prompt }]

async function openai (ask) {
  const { OpenAI } = require('openai')
  const client = new OpenAI({ baseURL: ask.base, apiKey: ask.key ?? 'unused', maxRetries: ask.retries ?? 0, timeout: 60000 })
  const wanted = { model: ask.model, messages: messages(ask), max_tokens: ask.tokens ?? 8, temperature: 0, stream: ask.stream ?? false }
  if (ask.tools) wanted.tools = ask.tools
  const made = await client.chat.completions.create(wanted)
  if (!ask.stream) {
    const message = made.choices[0].message
    const calls = (message.tool_calls ?? []).map(call => [call.function.name, JSON.parse(call.function.arguments)])
    return { text: message.content, model: made.model, calls }
  }
  const said = []
  for await (const chunk of made) {
    const piece = chunk.choices[0]?.delta?.content
    if (piece) said.push(piece)
  }
  return { text: said.join(''), pieces: said.length }
}

async function anthropic (ask) {
  const { Anthropic } = require('@anthropic-ai/sdk')
  const client = new Anthropic({ baseURL: ask.base, apiKey: ask.key ?? 'unused', maxRetries: ask.retries ?? 0, timeout: 60000 })
  const wanted = { model: ask.model, messages: messages(ask), max_tokens: ask.tokens ?? 8 }
  if (ask.tools) wanted.tools = ask.tools
  let pieces = 0
  const made = ask.stream
    ? await client.messages.stream(wanted).on('text', () => { pieces += 1 }).finalMessage()
    : await client.messages.create(wanted)
  const text = made.content.filter(block => block.type === 'text').map(block => block.text).join('')
  const calls = made.content.filter(block => block.type === 'tool_use').map(block => [block.name, block.input])
  return { text, pieces, calls, model: made.model, end: made.stop_reason, usage: [made.usage.input_tokens, made.usage.output_tokens] }
}

async function one (ask) {
  try {
    return await (ask.client === 'openai' ? openai(ask) : anthropic(ask))
  } catch (error) {
    return { status: error.status ?? null, kind: error.constructor.name, error: String(error.message), body: error.error ?? null, because: String(error.cause) }
  }
}

(async () => {
  for (const text of process.argv.slice(2)) console.log(JSON.stringify(await one(JSON.parse(text))))
})()
