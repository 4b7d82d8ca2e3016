"""Asks a model with the official client of a dialect, as a program of a sandbox does.

    ask.py ASK...    JSON objects: client, base, and model, prompt or messages; perhaps api, key, stream, tools, tokens.
                     Prints a JSON object for each: text, model, calls, usage, pieces; or status and error.
"""
import json
import sys


def openai(ask):
    import openai as library

    client = library.OpenAI(base_url=ask["base"], api_key=ask.get("key", "unused"), max_retries=ask.get("retries", 0), timeout=60)
    api, stream = ask.get("api", "chat"), ask.get("stream", False)
    common = {"model": ask["model"], "stream": stream}
    if api == "embeddings":
        made = client.embeddings.create(model=ask["model"], input=ask["prompt"], encoding_format="float")
        return {"model": made.model, "text": json.dumps(made.data[0].embedding)}
    if api == "models":
        return {"text": " ".join(model.id for model in client.models.list())}
    if api == "responses":
        made = client.responses.create(input=ask["prompt"], max_output_tokens=ask.get("tokens", 8), **common)
        return responses(made, stream)
    if api == "completions":
        made = client.completions.create(prompt=ask["prompt"], max_tokens=ask.get("tokens", 8), temperature=0, **common)
        said = [chunk.choices[0].text for chunk in made if chunk.choices] if stream else [made.choices[0].text]
        return {"text": "".join(said), "pieces": len(said)}
    more = {"tools": ask["tools"]} if "tools" in ask else {}
    if stream:
        more["stream_options"] = {"include_usage": True}
    made = client.chat.completions.create(messages=messages(ask), max_tokens=ask.get("tokens", 8), temperature=0, **more, **common)
    return chat_stream(made) if stream else chat(made)


def messages(ask):
    return ask.get("messages") or [{"role": "user", "content": ask["prompt"]}]


def chat(made):
    message = made.choices[0].message
    calls = [[call.function.name, json.loads(call.function.arguments)] for call in message.tool_calls or []]
    usage = made.usage and [made.usage.prompt_tokens, made.usage.completion_tokens]
    return {"text": message.content, "model": made.model, "calls": calls, "usage": usage, "end": made.choices[0].finish_reason}


def chat_stream(made):
    said, calls, usage, model, end = [], {}, None, None, None
    for chunk in made:
        model = chunk.model or model
        usage = [chunk.usage.prompt_tokens, chunk.usage.completion_tokens] if chunk.usage else usage
        for choice in chunk.choices:
            end = choice.finish_reason or end
            if choice.delta.content:
                said.append(choice.delta.content)
            for call in choice.delta.tool_calls or []:
                known = calls.setdefault(call.index, ["", ""])
                known[0] += call.function.name or ""
                known[1] += call.function.arguments or ""
    calls = [[name, json.loads(arguments)] for name, arguments in calls.values()]
    return {"text": "".join(said), "pieces": len(said), "model": model, "calls": calls, "usage": usage, "end": end}


def responses(made, stream):
    if not stream:
        return {"text": made.output_text, "model": made.model, "usage": [made.usage.input_tokens, made.usage.output_tokens]}
    said, whole = [], None
    for event in made:
        if event.type == "response.output_text.delta":
            said.append(event.delta)
        if event.type == "response.completed":
            whole = event.response
    return {"text": "".join(said), "pieces": len(said), "whole": whole.output_text, "model": whole.model}


def anthropic(ask):
    import anthropic as library

    client = library.Anthropic(base_url=ask["base"], api_key=ask.get("key", "unused"), max_retries=ask.get("retries", 0), timeout=60)
    if ask.get("api") == "count":
        return {"count": client.messages.count_tokens(model=ask["model"], messages=messages(ask)).input_tokens}
    more = {"tools": ask["tools"]} if "tools" in ask else {}
    wanted = {"model": ask["model"], "messages": messages(ask), "max_tokens": ask.get("tokens", 8), **more}
    if not ask.get("stream"):
        made, pieces = client.messages.create(**wanted), None
    else:
        pieces = 0
        with client.messages.stream(**wanted) as stream:
            for _ in stream.text_stream:
                pieces += 1
            made = stream.get_final_message()
    said = "".join(block.text for block in made.content if block.type == "text")
    calls = [[block.name, block.input] for block in made.content if block.type == "tool_use"]
    return {"text": said, "pieces": pieces, "model": made.model, "calls": calls, "end": made.stop_reason,
            "usage": [made.usage.input_tokens, made.usage.output_tokens]}


def one(ask):
    try:
        return openai(ask) if ask["client"] == "openai" else anthropic(ask)
    except Exception as error:  # what a client makes of a refusal is part of what is tested
        return {"status": getattr(error, "status_code", None), "kind": type(error).__name__, "error": str(error),
                "body": getattr(error, "body", None), "because": repr(error.__cause__)}


for text in sys.argv[1:]:
    print(json.dumps(one(json.loads(text))), flush=True)
