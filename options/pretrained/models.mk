# make model NAME=x3   one of the models that ship, trained again: docs/pretrained.md
#
# From datasets/291/hr to build/weights/bsr_x3.safetensors and its scores on Set5 and Set14; begun again, it goes on where
# it was. MORE adds words to each training, such as MORE="--force_yml num_gpu=0".

models := x2 x3 x4 x3_blur-down
classic := datasets/291
fewer := 0.9,0.8,0.7,0.6
more := 0.97,0.94,0.91,0.88,0.85,0.82,0.79,0.76,0.73,0.7

prepare_291 = $(bsr) prepare $(classic)/hr --out $(classic)/$(1)
train_model = $(python) basicsr/train.py -opt options/pretrained/train_$(1).yml --auto_resume $(MORE)
weights_of = experiments/BSR_pretrained_$(1)/models/net_g_$(if $(filter x2,$(1)),latest,best).pth

.PHONY: model $(models:%=model_%)

model: $(if $(filter $(NAME),$(models)),model_$(NAME))
	@$(if $^,,echo "There is no model '$(NAME)': make model NAME=x2, or one of $(models)." >&2; exit 2)

# The second parts go on from the first, and blur-down from bicubic.
model_x2: $(classic)/held_out
	$(call prepare_291,copies_48) --scale 2 --lr-window 48 --copies $(fewer)
	$(call train_model,x2)
	$(call finish_model,x2)

model_x3 model_x4: model_x%: $(classic)/held_out
	$(call prepare_291,copies_32) --scale $* --lr-window 32 --copies $(fewer)
	$(call train_model,x$*_first)
	$(call prepare_291,more_copies) --scale $* --lr-window 24 --copies $(more)
	$(call train_model,x$*)
	$(call finish_model,x$*)

model_x3_blur-down: $(classic)/held_out build/weights/bsr_x3.safetensors
	$(call prepare_291,more_copies) --scale 3 --degradation blur-down --lr-window 24 --copies $(more)
	$(call train_model,x3_blur-down)
	$(call finish_model,x3_blur-down)

# Written when its training has ended.
build/weights/bsr_x3.safetensors:
	$(MAKE) model NAME=x3

# Blur-down in float32: rounded to float16, its weights move the sample image's pixels by more than half a grey level.
define finish_model
mkdir -p build/weights
$(bsr) export $(call weights_of,$(1)) -o build/weights/bsr_$(1).safetensors --recipe options/pretrained/train_$(1).yml \
	$(if $(filter x3_blur-down,$(1)),--no-half)
$(python) basicsr/test.py -opt options/pretrained/test_$(1).yml --force_yml \
	name=BSR_pretrained_$(1) path:pretrain_network_g=build/weights/bsr_$(1).safetensors
endef

# Moved aside as a whole, or not at all.
$(classic)/held_out: | env
	@test -d $(classic)/hr || { echo "There is no $(classic)/hr: put the 291 images there (docs/pretrained.md)." >&2; exit 2; }
	mkdir -p $@.partial
	for image in $$(cat options/pretrained/held_out.txt); do test -f $@.partial/$$image || mv $(classic)/hr/$$image $@.partial || exit 1; done
	mv $@.partial $@
