from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from qa.citations import is_quote
from qa.generators.base import Completion, Prompt
from qa.generators.chat_tokenizer import ChatTokenizer, save_chat_tokenizer
from qa.generators.local import LocalGenerator
from qa.generators.openvino_lm import OpenVINOGenerator, OpenVINONetwork, converted
from qa.generators.reading import NetworkReader
from qa.generators.torch_network import TorchNetwork
from qa.generators.transformers_lm import TransformersGenerator, load_merged, load_tokenizer
from retrieval.errors import GenerationError
from retrieval.index import HybridIndex
from retrieval.prompt import build_messages, encode_messages, encode_text, read_completion
from retrieval.schema import Product
from retrieval.text import sentences
from tests.fakes import pipeline_over, shown

pytestmark = pytest.mark.models
PROMPTS = [
    Prompt(tuple(build_messages(text, None))) for text in ("a mug", "how heavy is the tent that sleeps two?", "cat")
]
MUG = Product(
    "MUG1", "Harbour Mug", "Holds 300 ml, says the label. Dishwasher safe, if it is not too hot and no one minds."
)
TENT = Product("TENT1", "Ridge Tent", "Weighs 2.4 kg.")
CONTEXT = (shown(MUG, *sentences(MUG.content)), shown(TENT, TENT.content))
QUOTED = [
    Prompt(tuple(build_messages(question, some)), some)
    for question, some in (("how big?", CONTEXT), ("weight of the tent", CONTEXT[1:]), ("safe?", CONTEXT[:1]))
]


@pytest.fixture(scope="module", params=[TransformersGenerator, OpenVINOGenerator])
def generator(
    request: pytest.FixtureRequest, tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalGenerator]:
    if request.param is OpenVINOGenerator:
        pytest.importorskip("openvino")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRODUCT_QA_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr("qa.generators.openvino_lm.cpu_gains_from_8_bits", lambda: False)
        yield request.param(str(tiny_llama))


def test_a_batch_says_what_single_prompts_say(generator: LocalGenerator) -> None:
    together = generator.generate(PROMPTS, 12)
    assert together == [generator.generate([prompt], 12)[0] for prompt in PROMPTS]
    assert all(completion.text for completion in together)
    assert generator.generate([], 12) == []
    told = [completion.tokens for completion in together]
    assert [each["prompt"] for each in told] == [generator.count_tokens(prompt.messages) for prompt in PROMPTS]
    written = [encode_text(generator._tokenizer, completion.text) for completion in together]
    assert [each["completion"] for each in told] == list(map(len, written))


def test_a_stream_says_what_the_whole_says_and_can_be_closed(generator: LocalGenerator) -> None:
    whole = generator.generate(PROMPTS[:1], 12)[0]
    *pieces, last = generator.stream(PROMPTS[0], 12)
    assert last == whole
    assert "".join(map(str, pieces)).strip() == whole.text
    closed = generator.stream(PROMPTS[0], 4_000)
    next(closed)
    closed.close()
    assert generator.generate(PROMPTS[:1], 12)[0] == whole


def test_a_model_of_random_weights_copies_what_is_shown(generator: LocalGenerator) -> None:
    for prompt, completion in zip(QUOTED, generator.generate(QUOTED, 24), strict=True):
        reading = read_completion(completion.text)
        assert reading.number is not None
        assert all(is_quote(said, prompt.context[reading.number - 1].product) for said in reading.quotes)
    assert isinstance(list(generator.stream(QUOTED[0], 24))[-1], Completion)


def test_a_failure_of_the_model_is_told_and_passes(generator: LocalGenerator, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = generator.generate(QUOTED, 5)

    def fail(*_: object) -> None:
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(generator._network, "run", fail)
        with pytest.raises(GenerationError, match="failed while it answered: out of memory"):
            generator.generate(QUOTED[:1], 5)
        with pytest.raises(GenerationError, match="out of memory"):
            list(generator.stream(PROMPTS[0], 5))
    assert generator.generate(QUOTED, 5) == whole


def test_threads_share_one_pipeline(generator: LocalGenerator, index: HybridIndex) -> None:
    pipeline = pipeline_over(index, generator, max_new_tokens=8)
    questions = ["weight of the tent", "is the blue mug dishwasher safe", "what is What If?", "lamp bulb"] * 2
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(pipeline.answer, questions))
    apart = [pipeline.answer(question) for question in questions]
    assert [(a.text, a.status) for a in together] == [(a.text, a.status) for a in apart]


def test_a_closed_stream_leaves_the_generator_to_others(generator: LocalGenerator) -> None:
    whole = generator.generate(QUOTED[:1], 12)
    left_open = generator.stream(PROMPTS[0], 4_000)
    next(left_open)
    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(generator.generate, QUOTED[:1], 12).result() == whole
    left_open.close()
    assert generator.generate(QUOTED[:1], 12) == whole


def test_what_is_read_in_one_pass_is_what_the_model_says_of_each_sequence(
    generator: LocalGenerator, tiny_llama: Path
) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_llama).eval()

    def expected(ids: list[int]) -> torch.Tensor:
        with torch.inference_mode():
            return model(input_ids=torch.tensor([ids])).logits[0].log_softmax(dim=-1)

    prompt, more, continuations = list(range(100, 120)), [7, 8], [[5, 6, 7], [9], [5, 1]]
    for beginning in ([], prompt[:8], [1, 2]):
        reader = NetworkReader(generator._network, beginning)
        read, tables = reader.read(prompt, continuations)
        assert read.length == len(prompt)
        again = reader.read((), continuations, read)[1]
        longer, [last] = reader.read(more, [[3]], read)
        assert longer.length == len(prompt) + len(more)
        for ids, table, same in zip(continuations, tables, again, strict=True):
            assert table == pytest.approx(expected(prompt + ids)[len(prompt) - 1 :].numpy(), abs=1e-4)
            assert same == pytest.approx(table, abs=1e-4)
        assert last == pytest.approx(expected([*prompt, *more, 3])[-2:].numpy(), abs=1e-4)


def test_all_local_generators_share_prompts_and_quotes(tiny_llama: Path, tmp_path: Path, monkeypatch) -> None:
    pytest.importorskip("openvino")
    monkeypatch.setenv("PRODUCT_QA_CACHE", str(tmp_path))
    transformers, openvino = TransformersGenerator(str(tiny_llama)), OpenVINOGenerator(str(tiny_llama))
    read: dict[str, list[list[int]]] = {"transformers": [], "openvino": []}
    for name, generator in (("transformers", transformers), ("openvino", openvino)):
        reader = generator._reader
        original = reader.read

        def note(ids, continuations=(), after=None, *, original=original, notes=read[name]):
            notes.append(list(ids))
            return original(ids, continuations, after)

        monkeypatch.setattr(reader, "read", note)
    assert transformers.generate(QUOTED, 24) == openvino.generate(QUOTED, 24)
    assert read["transformers"] == read["openvino"]
    assert [transformers.encode(prompt.messages) for prompt in QUOTED] == [ids for ids in read["openvino"] if ids]
    assert transformers.count_tokens(QUOTED[0].messages) == openvino.count_tokens(QUOTED[0].messages)
    assert transformers._reader._begun.length > 20


def test_a_converted_tokenizer_makes_the_tokens_and_texts_of_its_own(tiny_llama: Path, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(tiny_llama)
    save_chat_tokenizer(tokenizer, tmp_path)
    converted_one = ChatTokenizer(tmp_path)
    for text in ("Crème brûlée, 30 × 20 cm!", "<|im_start|>system\nyou are<|im_end|>", "\ue0000\ue001", "", " a  b \n"):
        messages = build_messages(text, None)
        ids = encode_messages(tokenizer, messages)
        assert encode_messages(converted_one, messages) == ids
        assert encode_text(converted_one, text) == encode_text(tokenizer, text)
        for skip in (True, False):
            assert converted_one.decode(ids, skip_special_tokens=skip) == tokenizer.decode(
                ids, skip_special_tokens=skip
            )
    assert converted_one.eos_token_id == tokenizer.eos_token_id
    assert converted_one.apply_chat_template(messages) == tokenizer.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=True
    )
    with pytest.raises(ValueError, match="messages of system, user"):
        converted_one.apply_chat_template(messages[1:])


@pytest.mark.usefixtures("in_float32")
def test_an_adapter_is_merged_before_the_conversion_and_converted_once(
    tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino")
    from peft import LoraConfig, get_peft_model

    monkeypatch.setenv("PRODUCT_QA_CACHE", str(tmp_path / "cache"))
    tuned = get_peft_model(
        AutoModelForCausalLM.from_pretrained(tiny_llama),
        LoraConfig(r=4, target_modules=["q_proj", "down_proj"], init_lora_weights=False),
    )
    tuned.save_pretrained(tmp_path / "adapter")
    folder = converted(tiny_llama, tmp_path / "adapter")
    assert folder != converted(tiny_llama, None)
    assert folder == converted(tiny_llama, tmp_path / "adapter")
    prompt = list(range(100, 120))
    with torch.inference_mode():
        expected = tuned.eval()(input_ids=torch.tensor([prompt])).logits[0, -1].log_softmax(dim=-1)
    for network in (OpenVINONetwork(folder), TorchNetwork(load_merged(tiny_llama, tmp_path / "adapter"))):
        assert NetworkReader(network).read(prompt)[0].following == pytest.approx(expected.numpy(), abs=1e-4)
    assert not list((tmp_path / "cache").glob(".*"))


def test_in_8_bits_a_model_is_smaller_and_says_about_the_same(
    tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino")
    monkeypatch.setenv("PRODUCT_QA_CACHE", str(tmp_path))
    folders = []
    for gains in (False, True):
        monkeypatch.setattr("qa.generators.openvino_lm.cpu_gains_from_8_bits", lambda gains=gains: gains)
        folders.append(converted(tiny_llama, None))
    whole, rounded = ((folder / "model.bin").stat().st_size for folder in folders)
    assert rounded < 0.7 * whole
    prompt = list(range(100, 120))
    exact, near = (NetworkReader(OpenVINONetwork(folder)).read(prompt)[0].following for folder in folders)
    assert 0 < np.abs(near - exact).mean() < 0.05 * exact.std()
