"""A configuration with every kind of mistake, and what is to be reported of each."""

from __future__ import annotations

WRONG = """\
frobnicate = 1                #! frobnicate: no key named 'frobnicate'
defautl = "v1"                #! defautl: no key named 'defautl'
default = "v22"               #! default: no variant named 'v22'
baseline = 3                  #! baseline: 3 is not text
size = []                     #! size: it is empty
convention = "mac"            #! convention: no convention named 'mac'

[variants]
v1 = { backbone = 10 }        #! variants.v1: 'v1' is built in
"my net" = { backbone = 10 }  #! variants.my net: 'my net' cannot name a variant
flat = "v2"                   #! variants.flat: 'v2' is not a table
orphan = { from = "v9" }      #! variants.orphan.from: no variant named 'v9'
whole = { from = 2 }          #! variants.whole.from: 2 is not text
self.from = "self"            #! variants.self.from: 'self' comes from a circle: self → self
round.from = "about"          #! variants.round.from: a circle: round → about → round

[variants.about]
backbone = 11
from = "round+backbone=10"    #! variants.about.from: a circle: about → round → about

[variants.odd]
backbon = 10                  #! variants.odd.backbon: no key named 'backbon'
backbone = 3                  #! variants.odd.backbone: '3' is not a value of the axis 'backbone'
conv = "seperable"            #! variants.odd.conv: 'seperable' is not a value of the axis 'conv'
rates = [6, 0]                #! variants.odd.rates: '6,0' is not a value of the axis 'rates'
decoder_blocks = 1.5          #! variants.odd.decoder_blocks: '1.5' is not a value of the axis
low_skip = true               #! variants.odd.low_skip: is not a value of the axis 'low_skip'
classes = { n = 2 }           #! variants.odd.classes: is not a value of the axis 'classes'
mid_channels = -24            #! variants.odd.mid_channels: '-24' is not a value of the axis

[spaces]
v2 = { from = "v1", backbone = 9 }  #! spaces.v2: 'v2' is a variant
"my space" = { from = "v2" }  #! spaces.my space: 'my space' cannot name a space
narrow = { backbone = 9 }     #! spaces.narrow: a space needs 'from'
still = { from = "v2" }       #! spaces.still: a space needs an axis to vary

[spaces.strange]
from = "v2"
backbone = "9..14"            #! spaces.strange.backbone: the range '9..14' ends at 14
conv = ["regular", "foo"]     #! spaces.strange.conv: 'foo' is not a value of the axis 'conv'
rates = []                    #! spaces.strange.rates: it is empty
low_skip = { from = 0 }       #! spaces.strange.low_skip: is not a list of values
classes = "*"                 #! spaces.strange.classes: classes has no list of choices
widths = 3                    #! spaces.strange.widths: no key named 'widths'

[spaces.mine]
from = "torchvision:resnet18"
"a b" = [1]                   #! spaces.mine.a b: cannot be the name of an argument
width = [1979-05-27]          #! spaces.mine.width: cannot be an argument
act = ""                      #! spaces.mine.act: it is empty

[[budgets]]  #! budgets[0]: needs 'id' & budgets[0]: needs 'metric' & budgets[0]: needs 'max'

[[budgets]]
id = 7                        #! budgets[1].id: 7 is not text
metric = "parms"              #! budgets[1].metric: no metric named 'parms'
max = 1

[[budgets]]                   #! budgets[2]: a budget needs 'max', 'vs-baseline' or 'warn'
id = "unlimited"
metric = "params"

[[budgets]]                   #! budgets[3]: 'max' and 'vs-baseline' are two budgets
id = "twice"
metric = "params"
max = 1
vs-baseline = "+2%"

[[budgets]]
id = "kinds"
metric = "params"
max = 1.5                     #! budgets[4].max: 1.5 is not a whole number
warn = true                   #! budgets[4].warn: is not a whole number

[[budgets]]
id = "negative"
metric = "bytes"
max = -1                      #! budgets[5].max: '-1' is not a quantity
warn = "-5k"                  #! budgets[5].warn: '-5k' is not a quantity

[[budgets]]
id = "bytes"
metric = "fvcore"
max = "2.5MB"                 #! budgets[6].max: '2.5MB' counts bytes
dtype = "float16"             #! budgets[6].dtype: fvcore does not depend on a dtype

[[budgets]]
id = "peak"
metric = "peak-memory"
max = "2MB"
module = "decoder"            #! budgets[7].module: peak-memory is of a whole network
dtype = "float61"             #! budgets[7].dtype: no dtype named 'float61'

[[budgets]]
id = "warns"
metric = "macs"
max = "10M"
warn = "10_000_001"           #! budgets[8].warn: warn beyond 10_000_001, but fails beyond 10M

[[budgets]]
id = "warns of a change"
metric = "params"
vs-baseline = "+2%"
warn = "+2.5%"                #! budgets[9].warn: it would warn beyond +2.5%, but fails beyond +2%

[[budgets]]
variant = "z*"                #! budgets[10].variant: no variant named 'z*'
max = "0.5"                   #! budgets[10].max: '0.5' is not a whole number
metric = "bytes"
id = "warns"                  #! budgets[10].id: two budgets have the id 'warns'

[[budgets]]
id = ""                       #! budgets[11].id: it is empty
metric = ["params"]           #! budgets[11].metric: is not text
vs-baseline = "two percent"   #! budgets[11].vs-baseline: 'two percent' is not a
variant = ["v1"]              #! budgets[11].variant: is not text
module = 1                    #! budgets[11].module: 1 is not text
message = 1979-05-27          #! budgets[11].message: is not text
size = 0.5                    #! budgets[11].size: 0.5 is not an input size
limit = 3                     #! budgets[11].limit: no key named 'limit'

[[budgets]]
id = "change"
metric = "params"
vs-baseline = 0.02            #! budgets[12].vs-baseline: 0.02 is not a whole number
variant = "v22+backbone=10"   #! budgets[12].variant: no variant named 'v22'

[lint]
select = "UC9"                #! lint.select: no rule named 'UC9'
ignore = [
    101,                      #! lint.ignore[0]: 101 is not text
]
fail-on = "warnings"          #! lint.fail-on: no severity named 'warnings'
selct = "UC1"                 #! lint.selct: no key named 'selct'
"""
"""A configuration with every kind of mistake; beside it stand its key and words of its message."""

EXPECTED = [
    (number, mistake.partition(": ")[0], mistake.partition(": ")[2])
    for number, line in enumerate(WRONG.splitlines(), start=1)
    for mistake in filter(None, line.partition("#! ")[2].split(" & "))
]
