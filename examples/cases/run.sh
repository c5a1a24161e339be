#!/usr/bin/env bash
# Quantize five real models, one after the other. Run it from the repository's root, after `make test`
# and `.venv/bin/pip install -e '.[examples]'`; about half an hour on two cores. Results go to out/.
set -euo pipefail
cases=examples/cases
ovquant=.venv/bin/ovquant
quantize() { "$ovquant" quantize "$@" --max-drop 1% --time-budget 4m --allow-float --force; }

"$ovquant" demo -o out/recogniser || test $? -eq 3
quantize "$cases/minilm.py:model" --data "$cases/minilm.py:Texts:part=search,count=1000" \
    --holdout "$cases/minilm.py:Texts:part=holdout" --metric accuracy -o out/minilm
quantize "$cases/crepe.py:tiny" --data "$cases/crepe.py:Tones:count=2000,seed=0" \
    --holdout "$cases/crepe.py:Tones:count=3000,seed=1" --metric "$cases/crepe.py:rpa50" -o out/crepe-tiny
quantize "$cases/fashion.py:residual" --data "$cases/fashion.py:Images:part=search,count=2000" \
    --holdout "$cases/fashion.py:Images:part=holdout" --metric accuracy -o out/fashion
.venv/bin/python "$cases/fashion.py" out/fashion-plain.tflite
quantize out/fashion-plain.tflite --data "$cases/fashion.py:Images:part=search,count=2000,channels_last=true" \
    --holdout "$cases/fashion.py:Images:part=holdout,channels_last=true" --metric accuracy -o out/fashion-tflite
