import pickle

import pytest
from torch.utils.data import DataLoader, Dataset

from bsr_plugin.errors import InputError

SENTENCE = 'a.png is CMYK: convert it to RGB first.'


class _Broken(Dataset):
    def __len__(self):
        return 1

    def __getitem__(self, index):
        try:
            raise ValueError('cause')
        except ValueError as error:
            raise InputError(SENTENCE) from error


@pytest.mark.parametrize('workers', [0, 1])
def test_the_message_is_the_sentence_wherever_it_was_raised(workers):
    with pytest.raises(InputError) as caught:
        next(iter(DataLoader(_Broken(), num_workers=workers)))
    assert str(caught.value) == SENTENCE
    assert str(pickle.loads(pickle.dumps(caught.value))) == SENTENCE
